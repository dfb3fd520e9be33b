// The numbers behind a chart as a table: what a screen reader reads and a keyboard reaches.

const MOST_ROWS = 300;

// columns: [heading, row → text, is a number].
function numbers(columns, rows) {
  const made = el("details", { class: "numbers" }, el("summary", {}, t("numbers")));
  made.addEventListener("toggle", () => {
    if (!made.open || made.children.length > 1) return;
    const head = el("tr", {}, ...columns.map(([name]) => el("th", { scope: "col" }, name)));
    const body = rows
      .slice(0, MOST_ROWS)
      .map((row) =>
        el("tr", {}, ...columns.map(([, text, isNumber]) => el("td", { class: isNumber ? "number" : null }, text(row)))),
      );
    const table = el("table", {}, el("thead", {}, head), el("tbody", {}, ...body));
    made.append(el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("numbers") }, table));
    if (rows.length > MOST_ROWS) made.append(note(t("rows_shown", { shown: MOST_ROWS, all: rows.length })));
  });
  return made;
}

// Cells of a table, row by row, of which one is reached with Tab and the others from it with arrow keys.
function walkable(cells, columns) {
  cells.forEach((cell, i) => {
    cell.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const next = cells[i + step];
      const isWrapped = event.key.match(/Right|Left/u) && Math.floor((i + step) / columns) !== Math.floor(i / columns);
      if (!next || isWrapped) return;
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  });
}

// The numbers behind a chart as a table: what a screen reader reads and a keyboard reaches. Sorted by any column, all rows.

const ROWS_AT_ONCE = 1000;

// columns: [heading, row → text, is a number].
function numbers(columns, rows, name) {
  const made = el("details", { class: "numbers" }, el("summary", {}, t("numbers")));
  made.table = [columns, rows];
  made.addEventListener("toggle", () => {
    if (!made.open || made.children.length > 1) return;
    const menu = saveMenu(() => ({ svg: null, table: [columns, rows], name: name ?? nameAbove(made) }));
    made.append(menu, sortable(columns, rows));
  });
  return made;
}

// The heading under which something stands.
function nameAbove(place) {
  const heads = [...(place.closest("section, main")?.querySelectorAll("h2, h3") ?? [])];
  const before = heads.filter((one) => one.compareDocumentPosition(place) & Node.DOCUMENT_POSITION_FOLLOWING);
  return before.at(-1)?.textContent ?? t("numbers");
}

// A table whose headings sort it; rows beyond the first thousand come as one scrolls.
function sortable(columns, rows, { first = null, pick = null, isChosen = () => false } = {}) {
  let [by, isDown] = first ?? [null, false];
  const head = el("tr", {});
  const body = el("tbody", {});
  const place = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("numbers") });
  const heads = columns.map(([name, , isNumber], i) => {
    const sort = () => {
      isDown = by === i ? !isDown : Boolean(isNumber);
      by = i;
      fill();
    };
    const button = el("button", { type: "button", class: "sort", onclick: sort }, name || "#");
    const cell = el("th", { scope: "col" }, button);
    head.append(cell);
    return cell;
  });
  let ordered = rows;
  let filled = 0;
  const more = () => {
    const some = ordered.slice(filled, filled + ROWS_AT_ONCE);
    filled += some.length;
    body.append(...some.map(line));
  };
  const line = (row) => {
    const cells = columns.map(([, text, isNumber], i) => {
      const said = text(row);
      const shownText = pick && i === 0 ? el("button", { type: "button", class: "plain-button", onclick: () => pick(row) }, said) : said;
      return el("td", { class: isNumber ? "number" : null }, shownText);
    });
    return el("tr", isChosen(row) ? { class: "here", "aria-current": "true" } : {}, ...cells);
  };
  const fill = () => {
    heads.forEach((cell, i) => {
      if (i === by) cell.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    ordered = by === null ? rows : sorted(rows, columns[by], isDown);
    filled = 0;
    body.replaceChildren();
    more();
  };
  place.addEventListener("scroll", () => {
    if (filled < ordered.length && place.scrollTop + place.clientHeight > place.scrollHeight - 400) more();
  });
  fill();
  place.append(el("table", {}, el("thead", {}, head), body));
  return place;
}

// By the number at the start of what is shown, or by its letters; what has none comes last.
function sorted(rows, [, text, isNumber], isDown) {
  const sign = isDown ? -1 : 1;
  isExact = true;
  const keyed = rows.map((row) => {
    const said = String(text(row) ?? "").replaceAll("−", "-").replace(/^\[/u, "");
    return [row, isNumber ? parseFloat(said) : said];
  });
  isExact = false;
  const order = (a, b) => {
    if (!isNumber) return sign * a.localeCompare(b);
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return sign * (a - b);
  };
  return keyed.sort((a, b) => order(a[1], b[1])).map(([row]) => row);
}

// Cells of a table, row by row, of which one is reached with Tab and the others from it with arrow keys.
function walkable(cells, columns) {
  cells.forEach((cell, i) => {
    cell.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && cell.onpick) cell.onpick();
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

// What ran, on what, with which versions, and how to run it again.

function provenanceSection() {
  const section = el("section", { id: "provenance", tabindex: "-1" }, el("h2", {}, t("provenance:heading")));
  for (const run of [...page.sweeps, ...page.searches, ...page.contrasts]) section.append(provenanceOf(run));
  return section;
}

function provenanceOf(run) {
  const { facts, command, packages, folder } = run.provenance;
  const rows = Object.entries(facts).map(([name, value]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, t(`fact:${name}`)),
      el("td", {}, typeof value === "number" ? value.toLocaleString("en") : value),
    ),
  );
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return el(
    "article",
    {},
    el("h3", {}, run.name),
    el("p", { class: "folder" }, folder),
    el("h4", {}, t("again")),
    copyable(command),
    note(t("again:note")),
    el("table", { class: "facts" }, el("tbody", {}, ...rows)),
    el("p", { class: "note" }, `${t("packages")}: ${versions.join(", ")}`),
  );
}

// A command with a button that copies it. what: whose command it is, where several stand together.
function copyable(command, what) {
  const button = el("button", { type: "button", "aria-label": what ? `${t("copy")}: ${what}` : null }, t("copy"));
  button.addEventListener("click", async () => {
    await copied(command);
    button.textContent = t("copied");
  });
  return el("div", { class: "command" }, el("pre", { tabindex: "0" }, command), button);
}

// A page opened as a file may not have the clipboard; a selection always works.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "away", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

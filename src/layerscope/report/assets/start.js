// The frame of the page: what sections there are, the switches of language and theme.

function sections() {
  const made = [];
  if (page.sweeps.length) made.push(["sweep", sweepSection]);
  if (page.sweeps.some((sweep) => sweep.preference !== null)) made.push(["preference", preferenceSection]);
  if (page.sweeps.some((sweep) => damaging(sweep).length > 0)) made.push(["phenomena", phenomenaSection]);
  if (page.sweeps.length) made.push(["pos", posSection]);
  if (page.sweeps.some((sweep) => sweep.text !== null)) made.push(["text", textSection]);
  if (page.searches.length) made.push(["search", searchSection]);
  if (page.contrasts.length) made.push(["contrast", contrastSection]);
  made.push(["provenance", provenanceSection]);
  return made;
}

function header(names) {
  const other = state.language === "ja" ? "en" : "ja";
  const language = el(
    "button",
    { type: "button", id: "language", lang: other, title: t("language_hint"), onclick: () => speak(other) },
    t("language"),
  );
  const theme = choice(
    t("theme"),
    ["auto", "light", "dark"].map((one) => [one, t(`theme:${one}`)]),
    state.theme,
    (value) => {
      state.theme = value;
      showTheme();
      repaint();
    },
  );
  theme.id = "theme";
  const links = names.map((name) => el("a", { href: `#${name}` }, t(`nav:${name}`)));
  return el(
    "header",
    {},
    el("a", { class: "skip", href: `#${names[0]}` }, t("skip")),
    el(
      "div",
      { class: "top" },
      el("h1", {}, el("span", { class: "brand" }, "layerscope"), ` ${t("title")}`),
      el("div", { class: "switches" }, language, theme),
    ),
    el("nav", { "aria-label": t("contents") }, ...links),
  );
}

function speak(language) {
  state.language = language;
  start();
  document.getElementById("language").focus();
}

function showTheme() {
  const root = document.documentElement;
  if (state.theme === "auto") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", state.theme);
}

function start() {
  document.documentElement.lang = state.language;
  showTheme();
  figures.clear();
  const there = sections();
  const main = el("main", {}, ...there.map(([, make]) => make()));
  const footer = el("footer", {}, note(t("made", { version: page.version, date: page.date })));
  const top = window.scrollY;
  document.getElementById("page").replaceChildren(header(there.map(([name]) => name)), main, footer);
  window.scrollTo(0, top);
}

// Some colours are computed: they are made anew when the system's theme changes, and for paper.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
addEventListener("beforeprint", () => {
  document.documentElement.setAttribute("data-theme", "light");
  repaint();
});
addEventListener("afterprint", () => {
  showTheme();
  repaint();
});
start();

// The frame of the page: what sections there are, the switches of language and theme.

function sections() {
  const made = [];
  if (page.sweeps.length) made.push(["sweep", sweepSection], ["pos", posSection]);
  if (page.sweeps.some((sweep) => sweep.text !== null)) made.push(["text", textSection]);
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
      start();
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
    el("nav", { "aria-label": t("skip") }, ...links),
  );
}

function speak(language) {
  state.language = language;
  start();
  document.getElementById("language").focus();
}

function start() {
  const root = document.documentElement;
  root.lang = state.language;
  if (state.theme === "auto") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", state.theme);
  const there = sections();
  const main = el("main", {}, ...there.map(([, make]) => make()));
  const footer = el("footer", {}, note(t("made", { version: page.version, date: page.date })));
  const top = window.scrollY;
  document.getElementById("page").replaceChildren(header(there.map(([name]) => name)), main, footer);
  window.scrollTo(0, top);
}

// Canvases are painted in the theme's colours: paint them anew when the system's theme changes.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (state.theme === "auto") start();
});
start();

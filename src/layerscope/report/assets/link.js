// The one state of the page: what is looked at. It is read from the address's fragment and written to it, and every view
// that shows a part of it follows it. Values from an address are compared with what there is and never used as anything else.

const LINKED = ["model", "family", "layer", "tag", "word", "place", "contrast", "site", "position", "scale", "types", "pair"];
const LONGEST = 300;
const WRITE_EVERY_MS = 120;

const linked = Object.fromEntries(LINKED.map((name) => [name, null]));
const followers = new Set();
let written = 0;
let waiting = null;
let settling_ = null;

// What an address says, as far as it can be true here; unknown names and values are left out.
function readAddress(hash) {
  const found = {};
  for (const [name, value] of new URLSearchParams(hash.replace(/^#/u, ""))) {
    if ((LINKED.includes(name) || name === "at") && value && value.length <= LONGEST && isPossible(name, value)) found[name] = value;
  }
  return found;
}

// Whether a value is one that some view could show.
function isPossible(name, value) {
  const any = (list, test) => list.some(test);
  if (name === "at") return sections().some(([section]) => section === value);
  if (name === "model") return any(page.sweeps, (sweep) => sweep.name === value);
  if (name === "family") return any(page.sweeps, (sweep) => sweep.families.includes(value));
  if (name === "layer") return any(page.sweeps, (sweep) => Object.values(sweep.keys).some((keys) => keys.includes(value)));
  if (name === "tag") return TAG_ORDER.includes(value);
  if (name === "place") return /^\d{1,7}\.\d{1,7}$/u.test(value);
  if (name === "contrast") return any(page.contrasts, (run) => run.name === value);
  if (name === "site") return any(page.contrasts, (run) => any(run.places, (place) => place.site === value));
  if (name === "position") return any(page.contrasts, (run) => any(run.places, (place) => place.position === value));
  if (name === "scale") return DIFFERENCE_SCALES.includes(value);
  return true; // words, types and pairs are looked for where they are shown
}

// The fragment of a state. Spaces stay readable.
function addressOf(state, at = null) {
  const parts = new URLSearchParams();
  if (at) parts.set("at", at);
  for (const name of LINKED) if (state[name] !== null && state[name] !== undefined) parts.set(name, state[name]);
  return `#${parts}`;
}

// Choose something, anywhere: everything that depends on it moves. With replaces, no step for the back button is made.
function choose(changes, replaces = false) {
  const before = { ...linked };
  Object.assign(linked, changes);
  suitLinked(changes);
  const changed = LINKED.filter((name) => linked[name] !== before[name]);
  if (!changed.length) return;
  writeAddress(replaces);
  tell(changed);
}

// What was chosen for one model or family goes where another one does not have it.
function suitLinked(changes) {
  if (changes.family && !changes.model) {
    const sweep = linkedSweep();
    const other = page.sweeps.find((one) => one.families.includes(linked.family));
    if (!sweep.families.includes(linked.family) && other) linked.model = other.name;
  }
  const sweep = linkedSweep();
  if (!sweep) return;
  if (linked.family !== null && !sweep.families.includes(linked.family)) linked.family = null;
  const keys = sweep.keys[linkedFamily(sweep)] ?? [];
  if (linked.layer !== null && !keys.includes(linked.layer)) linked.layer = null;
}

function tell(changed) {
  for (const one of [...followers]) {
    if (!one.place.isConnected) followers.delete(one);
    else if (one.names.some((name) => changed.includes(name))) one.then(changed);
  }
}

// Calls then when one of the names changes, as long as the place is on the page.
function follow(place, names, then) {
  // a place is put on the page after it is made: it is told from the next step on
  requestAnimationFrame(() => followers.add({ place, names, then }));
}

// Addresses are written at most every so often, the last one always; a drag of a slider makes one step back.
function writeAddress(replaces) {
  const isLast = replaces && settling_ !== null && performance.now() - settling_ < 1500;
  if (replaces) settling_ = performance.now();
  const write = () => {
    waiting = null;
    written = performance.now();
    const address = addressOf(linked);
    if (address === location.hash) return;
    try {
      history[isLast ? "replaceState" : "pushState"](null, "", address);
    } catch {
      location.hash = address; // where a page opened as a file may not write its history
    }
  };
  if (waiting !== null) {
    waiting.write = write;
    return;
  }
  const wait = written + WRITE_EVERY_MS - performance.now();
  if (wait <= 0) write();
  else {
    waiting = { write };
    setTimeout(() => waiting?.write(), wait);
  }
}

// An address that was opened, followed or gone back to.
function takeAddress() {
  if (waiting !== null) return;
  const found = readAddress(location.hash);
  const isPlain = location.hash !== "" && !location.hash.includes("=");
  if (!isPlain) {
    const before = { ...linked };
    for (const name of LINKED) linked[name] = found[name] ?? null;
    suitLinked(found);
    tell(LINKED.filter((name) => linked[name] !== before[name]));
  }
  const section = isPlain ? decodeSafely(location.hash.slice(1)) : found.at;
  if (section) goTo(section);
}

function decodeSafely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

// The sweep that is looked at, its number, and its family.
function linkedSweep(has = () => true) {
  const some = page.sweeps.filter(has);
  return some.find((sweep) => sweep.name === linked.model) ?? some[0];
}

function linkedFamily(sweep, families = sweep.families) {
  return families.includes(linked.family) ? linked.family : families[0];
}

function keyOf(sweep, row) {
  return sweep.key_of[row.name] ?? row.name;
}

// The layer that is looked at; where none was chosen, the one whose effect is largest outside the first two.
function linkedKey(sweep, family) {
  const keys = sweep.keys[family] ?? [];
  return keys.includes(linked.layer) ? linked.layer : sweep.opens[family];
}

function isLinked(sweep, row) {
  return sweep !== undefined && row.family === linkedFamily(sweep) && keyOf(sweep, row) === linkedKey(sweep, row.family);
}

// A list of sweeps that sets the one model, and one of its families.
function modelChoice(some) {
  return some.length > 1
    ? choice(
        t("model"),
        some.map((sweep) => [page.sweeps.indexOf(sweep), sweep.name]),
        page.sweeps.indexOf(linkedSweep((sweep) => some.includes(sweep))),
        (value) => choose({ model: page.sweeps[Number(value)].name }),
      )
    : null;
}

function familyChoice(families, family) {
  return choice(
    t("family"),
    families.map((one) => [one, familyName(one)]),
    family,
    (value) => choose({ family: value }),
  );
}

// All that is shown, as it would have to be chosen.
function wholeState() {
  const sweep = linkedSweep();
  const whole = { ...linked };
  if (sweep) {
    whole.model = sweep.name;
    whole.family = linkedFamily(sweep);
    whole.layer = linkedKey(sweep, whole.family);
  }
  const run = linkedContrast();
  if (run) {
    const place = placeOf(run);
    Object.assign(whole, { contrast: run.name, site: place.site, position: place.position, scale: linkedScale() });
  }
  return whole;
}

function linkedContrast() {
  return page.contrasts.find((run) => run.name === linked.contrast) ?? page.contrasts[0];
}

function linkedScale() {
  return linked.scale ?? "percentile";
}

// Site and position of a contrast; where the chosen ones are none of its places, the main one, or the site's first.
function placeOf(run) {
  const site = run.places.some((place) => place.site === linked.site) ? linked.site : run.main[0];
  const there = run.places.filter((place) => place.site === site);
  const wanted = linked.position ?? run.main[1];
  return there.find((place) => place.position === wanted) ?? there[0];
}

// The section that most of the window shows.
function sectionInView() {
  const found = d3.greatest(document.querySelectorAll("main section"), (one) => {
    const box = one.getBoundingClientRect();
    return Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
  });
  return found?.id ?? null;
}

function linkButton() {
  const button = el("button", { type: "button", id: "link" }, t("link:copy"));
  button.addEventListener("click", async () => {
    await copied(`${location.href.split("#")[0]}${addressOf(wholeState(), sectionInView())}`);
    button.textContent = t("copied");
    setTimeout(() => {
      if (button.isConnected) button.textContent = t("link:copy");
    }, 2000);
  });
  return button;
}

addEventListener("hashchange", takeAddress);
addEventListener("popstate", takeAddress);

/* `GET /`: writes, runs and judges a program. */
import { empty, find, make } from "../shared/elements";
import { health, languages, Trouble } from "../shared/executor";
import { askForKey, keyField } from "../shared/key";
import { title } from "../shared/languages";
import { theme } from "../shared/theme";
import { bindCopies } from "./copying";
import { add, changed, chooseLanguage, code, embedded, known, load, saveNow, showLanguage, startOver, whenAsked, work } from "./desk";
import { bindJudge, cases, judge } from "./judge";
import { button, field, notice, place } from "./notices";
import { bindRun, runOnce } from "./run";
import type { Tab } from "./work";

async function findLanguages(): Promise<void> {
  try {
    known.splice(0, known.length, ...await languages());
  } catch (error) {
    if (error instanceof Trouble && error.code === "unauthorized") askForKey();
    try {
      known.splice(0, known.length, ...(await health()).languages.map(language => ({ language, version: "", aliases: [], compiled: false })));
    } catch { notice(error instanceof Error ? error.message : "The languages could not be read."); }
  }
  listLanguages();
}

function listLanguages(): void {
  const select = find("language", HTMLSelectElement);
  const names = known.map(each => each.language);
  const canonical = known.find(each => each.aliases.includes(work.language));
  if (canonical) work.language = canonical.language;
  if (!names.includes(work.language)) {
    if (names.length) notice(`This executor has no ${title(work.language)}. Choose another language; your text is kept.`);
    names.push(work.language);
  }
  empty(select, ...names.sort((one, other) => title(one).localeCompare(title(other)))
    .map(name => make("option", { value: name }, title(name))));
  void showLanguage();
}

function tab(name: Tab, focus = false): void {
  for (const each of ["run", "judge"]) {
    const chosen = each === name;
    button(`tab-${each}`).setAttribute("aria-selected", String(chosen));
    button(`tab-${each}`).tabIndex = chosen ? 0 : -1;
    place(`panel-${each}`).hidden = !chosen;
  }
  if (focus) button(`tab-${name}`).focus();
}

/* A link and the next visit open what a person had open. */
function choose(name: Tab, focus = false): void {
  tab(name, focus);
  work.tab = name;
  changed();
}

const judges = (): boolean => button("tab-judge").getAttribute("aria-selected") === "true";
function start(): void { void (judges() ? judge() : runOnce()); }

function bind(): void {
  for (const [id, name] of [["args", "args"], ["stdin", "stdin"], ["time-limit", "timeLimit"], ["problem", "problem"], ["template", "template"]] as const) {
    const node = place(id) as HTMLInputElement | HTMLTextAreaElement;
    node.addEventListener("input", () => { work[name] = node.value; changed(); });
  }
  const language = find("language", HTMLSelectElement);
  language.addEventListener("change", () => void chooseLanguage(language.value));
  for (const [name, other] of [["run", "judge"], ["judge", "run"]] as const) {
    button(`tab-${name}`).addEventListener("click", () => choose(name));
    button(`tab-${name}`).addEventListener("keydown", event => { if (["ArrowLeft", "ArrowRight"].includes(event.key)) choose(other, true); });
  }
  bindRun();
  bindJudge();
  bindCopies(judges);
  button("start-over").addEventListener("click", () => { find("more", HTMLDetailsElement).open = false; void startOver(); });
  button("lock").addEventListener("click", () => code.toggleLock());
  field("open-file").addEventListener("change", async event => {
    const node = event.target as HTMLInputElement;
    for (const file of node.files ?? []) add(file.name, await file.text());
    node.value = "";
  });
  document.addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) { event.preventDefault(); start(); }
    if (event.key === "Escape") document.querySelectorAll<HTMLDetailsElement>("details.menu[open]").forEach(each => {
      each.open = false;
      each.querySelector("summary")?.focus();
    });
  });
  document.addEventListener("click", event => document.querySelectorAll<HTMLDetailsElement>("details.menu[open]").forEach(each => {
    if (!each.contains(event.target as Node)) each.open = false;
  }));
  addEventListener("hashchange", () => void load().then(listLanguages));
  addEventListener("pagehide", saveNow);
  addEventListener("locked-line", () => notice("This line is locked and cannot be changed."));
}

document.body.classList.toggle("embedded", embedded);
theme();
keyField(() => void findLanguages());
whenAsked(start, () => { cases.draw(); tab(work.tab); });
bind();
tab(work.tab);
void load().then(findLanguages);

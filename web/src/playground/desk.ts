/* The work on the desk: files in the editor, language, and all that this browser keeps of it. */
import { Prec } from "@codemirror/state";
import { keymap } from "@codemirror/view";
import { find, make } from "../shared/elements";
import type { Language } from "../shared/executor";
import { highlighting, mainFile, starter, starterCases } from "../shared/languages";
import { editor } from "./editor";
import { showFiles } from "./files";
import { area, field, notice, place } from "./notices";
import { decoded, save, saved, sources, type Work } from "./work";

export const embedded = new URLSearchParams(location.search).has("embed");
export let work: Work = { language: "python", files: [], args: "", stdin: "", cases: [], comparator: "lines", timeLimit: "", problem: "", tab: "run", template: "" };
/* What this executor has. */
export const known: Language[] = [];
let link = "";
let open = 0;
let saving = 0;
let start = (): void => {};
let drawOthers = (): void => {};
let tellChanged = (): void => {};

/* What Ctrl+Enter does, and what shows the test cases and the tab of other work. */
export function whenAsked(toStart: () => void, toDraw: () => void): void {
  start = toStart;
  drawOthers = toDraw;
}

/* What is done when program, test cases or settings are no longer what they were. */
export function whenChanged(tell: () => void): void { tellChanged = tell; }

export function changed(): void {
  tellChanged();
  markPackage();
  clearTimeout(saving);
  saving = setTimeout(keep, 300);
}

/* A package's own cases stand in place of those of the page. */
const markPackage = (): void => { place("cases").classList.toggle("of-package", Boolean(work.problem)); };

export function keep(): void {
  clearTimeout(saving);
  saving = 0;
  if (!save(work, link)) notice("This browser keeps nothing for this page: copy your program before you leave it.");
}

export const saveNow = (): void => { if (saving) keep(); };

export const code = editor(place("editor"), content => {
  const file = work.files[open];
  if (!file) return;
  file.content = content;
  const locked = code.locked();
  if (locked.length) file.locked = locked;
  else delete file.locked;
  changed();
}, Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => { start(); return true; } }])));

function openFile(position: number, focus = false): void {
  open = Math.min(position, work.files.length - 1);
  const file = work.files[open]!;
  code.open(file.name, file.content, file.locked);
  showFiles(place("files"), work.files, open, embedded, {
    open: next => openFile(next, true), rename, remove, add,
  });
  if (focus) code.view.focus();
}

function rename(name: string): void {
  const file = work.files[open]!;
  if (!name || work.files.some((other, position) => position !== open && other.name === name)) {
    notice(name ? `There is already a file ${name}.` : "A file needs a name.");
  } else {
    code.forget(file.name);
    file.name = name;
    changed();
  }
  openFile(open);
}

function remove(): void {
  const [gone] = work.files.splice(open, 1);
  if (gone) code.forget(gone.name);
  changed();
  openFile(open, true);
}

export function add(name = "", content = ""): void {
  const suffix = mainFile(work.language).replace(/^[^.]*/, "");
  for (let number = 2; !name || (!content && work.files.some(file => file.name === name)); number += 1) name = `file${number}${suffix}`;
  const known = work.files.findIndex(file => file.name === name);
  if (known >= 0) { work.files[known]!.content = content; code.forget(name); }
  else work.files.push({ name, content });
  changed();
  openFile(known >= 0 ? known : work.files.length - 1, true);
}

export async function chooseLanguage(name: string): Promise<void> {
  const before = work.language;
  const [main] = work.files;
  const untouched = !main || (!embedded && work.files.length === 1 && (!main.content.trim() || main.content === await starter(before)));
  work.language = name;
  if (untouched) {
    work.files = [{ name: mainFile(name), content: await starter(name) }];
    code.forget();
  } else if (main.name === mainFile(before)) {
    code.forget(main.name);
    main.name = mainFile(name);
  }
  await showLanguage();
  changed();
  openFile(untouched ? 0 : open);
}

export const versionHere = (): string => known.find(each => each.language === work.language)?.version ?? "";

export async function showLanguage(): Promise<void> {
  find("language", HTMLSelectElement).value = work.language;
  place("version").textContent = versionHere();
  try {
    code.language(await highlighting(work.language));
  } catch {
    code.language([]);
    notice("The colours of this language could not be loaded; everything else works.");
  }
}

function show(): void {
  field("args").value = work.args;
  area("stdin").value = work.stdin;
  field("time-limit").value = work.timeLimit;
  field("problem").value = work.problem;
  area("template").value = work.template;
  find("comparator", HTMLSelectElement).value = work.comparator;
  code.forget();
  openFile(0);
  drawOthers();
  markPackage();
  void showLanguage();
}

async function fresh(language: string): Promise<Work> {
  return {
    language, files: [{ name: mainFile(language), content: await starter(language) }], args: "", stdin: "19 23\n",
    cases: starterCases(), comparator: "lines", timeLimit: "", problem: "", tab: work.tab, template: "",
  };
}

export async function load(): Promise<void> {
  const fragment = location.hash.slice(1);
  link = "";
  if (fragment) {
    try {
      const linked = await decoded(fragment);
      link = fragment;
      work = saved(link) ?? linked;
      if (!embedded && saved("")) notice("This came with a link. ", make("button", { type: "button", onclick: () => { location.hash = ""; } }, "Back to my own program"));
      show();
      return;
    } catch (error) {
      notice(`This link cannot be read: ${error instanceof Error ? error.message : ""}. Here is your own program instead.`);
    }
  }
  work = saved("") ?? await fresh("python");
  show();
}

export async function startOver(): Promise<void> {
  const before = work;
  const begin = (other: Work): void => { work = other; show(); keep(); };
  link = "";
  history.replaceState(null, "", `${location.pathname}${location.search}`);
  begin(await fresh(work.language));
  notice("This is a new program. ", make("button", { type: "button", onclick: () => { begin(before); notice(""); } }, "Bring back the one before"));
}

/* ---- places in the program ---- */

export const names = (): string[] => sources(work).map(file => file.name);
const goTo = (file: number, line: number, column?: number): void => { openFile(file); code.goTo(line, column); };
/* Lines of a template come before the program's own. */
export const shifted = (file: number, line: number, column?: number): void => {
  const before = file === 0 ? work.template.split("{{code}}")[0]?.split("\n").length ?? 1 : 1;
  goTo(file, line - (work.template.includes("{{code}}") ? before - 1 : 0), column);
};

/* `GET /`: writes, runs and judges a program. */
import { Prec } from "@codemirror/state";
import { keymap } from "@codemirror/view";
import { empty, find, make } from "../shared/elements";
import { execute, health, type Language, languages, Trouble } from "../shared/executor";
import { askForKey, keyField } from "../shared/key";
import { theme } from "../shared/theme";
import { Cases } from "./cases";
import { editor } from "./editor";
import { showFiles } from "./files";
import { highlighting, mainFile, starter, starterCases, title } from "../shared/languages";
import { live, type Run } from "./live";
import { Output, picture } from "./output";
import { caseResult, compileOutput, groups, judgeSummary, reason, runSummary } from "./results";
import { copyOf, type Form } from "./share";
import { COMPARATORS, decoded, judgeRequest, save, saved, sources, type Work } from "./work";

const button = (id: string) => find(id, HTMLButtonElement);
const field = (id: string) => find(id, HTMLInputElement);
const area = (id: string) => find(id, HTMLTextAreaElement);
const place = (id: string) => find(id, HTMLElement);

const embedded = new URLSearchParams(location.search).has("embed");
let work: Work = { language: "python", files: [], args: "", stdin: "", cases: [], comparator: "lines", timeLimit: "", problem: "", template: "" };
let link = "";
let open = 0;
let known: Language[] = [];
let run: Run | null = null;
let judging: AbortController | null = null;
let saving = 0;

/* ---- what happened, in words ---- */

function notice(words: string, ...more: HTMLElement[]): void {
  const node = place("notice");
  node.hidden = !words;
  empty(node, words, ...more, words ? make("button", { type: "button", "aria-label": "Close this notice", onclick: () => notice("") }, "×") : null);
}

function failed(where: HTMLElement, error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") { empty(where, make("p", { className: "summary" }, "Stopped.")); return; }
  const words = error instanceof Error ? error.message : String(error);
  empty(where, make("p", { className: "summary trouble" }, words));
  if (error instanceof Trouble && error.code === "unauthorized") askForKey();
}

/* ---- the work ---- */

function changed(): void {
  clearTimeout(saving);
  saving = setTimeout(keep, 300);
}

function keep(): void {
  clearTimeout(saving);
  saving = 0;
  if (!save(work, link)) notice("This browser keeps nothing for this page: copy your program before you leave it.");
}

const code = editor(place("editor"), content => {
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

function add(name = "", content = ""): void {
  const suffix = mainFile(work.language).replace(/^[^.]*/, "");
  for (let number = 2; !name || (!content && work.files.some(file => file.name === name)); number += 1) name = `file${number}${suffix}`;
  const known = work.files.findIndex(file => file.name === name);
  if (known >= 0) { work.files[known]!.content = content; code.forget(name); }
  else work.files.push({ name, content });
  changed();
  openFile(known >= 0 ? known : work.files.length - 1, true);
}

async function chooseLanguage(name: string): Promise<void> {
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

const versionHere = (): string => known.find(each => each.language === work.language)?.version ?? "";

async function showLanguage(): Promise<void> {
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
  cases.draw();
  void showLanguage();
}

async function fresh(language: string): Promise<Work> {
  return {
    language, files: [{ name: mainFile(language), content: await starter(language) }], args: "", stdin: "19 23\n",
    cases: starterCases(), comparator: "lines", timeLimit: "", problem: "", template: "",
  };
}

async function load(): Promise<void> {
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

/* ---- languages ---- */

async function findLanguages(): Promise<void> {
  try {
    known = await languages();
  } catch (error) {
    if (error instanceof Trouble && error.code === "unauthorized") askForKey();
    try {
      known = (await health()).languages.map(language => ({ language, version: "", aliases: [], compiled: false }));
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

/* ---- run ---- */

const goTo = (file: number, line: number, column?: number): void => { openFile(file); code.goTo(line, column); };
const names = (): string[] => sources(work).map(file => file.name);
/* Lines of a template come before the program's own. */
const shifted = (file: number, line: number, column?: number): void => {
  const before = file === 0 ? work.template.split("{{code}}")[0]?.split("\n").length ?? 1 : 1;
  goTo(file, line - (work.template.includes("{{code}}") ? before - 1 : 0), column);
};
const output = new Output("Output of the program", shifted);
place("run-output").append(output.node);

function tab(name: "run" | "judge", focus = false): void {
  for (const each of ["run", "judge"]) {
    const chosen = each === name;
    button(`tab-${each}`).setAttribute("aria-selected", String(chosen));
    button(`tab-${each}`).tabIndex = chosen ? 0 : -1;
    place(`panel-${each}`).hidden = !chosen;
  }
  if (focus) button(`tab-${name}`).focus();
}

const judges = (): boolean => button("tab-judge").getAttribute("aria-selected") === "true";
function start(): void { void (judges() ? judge() : runOnce()); }

async function runOnce(): Promise<void> {
  if (run) return;
  keep();
  const result = place("run-result");
  empty(result, make("p", { className: "summary" }, "Sent …"));
  empty(place("pictures"));
  output.clear(names());
  const current = run = live(work, versionHere(), {
    stage: words => empty(result, make("p", { className: "summary" }, words)),
    output: (stream, text) => output.add(stream, text),
    interactive: can => {
      find("type", HTMLFormElement).hidden = !can;
      if (can) field("typed").focus();
    },
  });
  button("run").disabled = true;
  button("stop").disabled = false;
  try {
    const ended = await current.ended;
    output.flush();
    const compiler = ended.compile && (ended.compile.stderr || ended.compile.stdout) ? compileOutput(ended.compile, names(), shifted) : null;
    const shownStep = ended.compile && ended.compile.status !== "ok" ? ended.compile : ended.run;
    empty(result, shownStep ? runSummary(shownStep) : null, compiler, ...ended.warnings.map(words => make("p", { className: "note" }, words)));
    empty(place("pictures"), ...ended.files.filter(file => file.content).map(file => picture(file.name, file.content ?? "")));
  } catch (error) {
    output.flush();
    failed(result, error);
  } finally {
    run = null;
    button("run").disabled = false;
    button("stop").disabled = true;
    if (place("type").contains(document.activeElement)) button("run").focus();
    find("type", HTMLFormElement).hidden = true;
  }
}

/* ---- judge ---- */

const cases = new Cases(place("cases"), () => work.cases, changed);

async function judge(generate = false): Promise<void> {
  if (judging) return;
  keep();
  const result = place("judge-result");
  if (!work.cases.length && !work.problem) {
    empty(result, make("p", { className: "summary" }, "Add a test case first: an input, and what the program has to print for it."));
    return;
  }
  judging = new AbortController();
  button("judge").disabled = button("generate").disabled = true;
  button("stop-judge").disabled = false;
  cases.clear();
  empty(place("judge-compiler"));
  empty(result, make("p", { className: "summary" }, "Sent …"));
  try {
    const body = judgeRequest(generate ? { ...work, problem: "" } : work);
    const answer = await execute(body, judging.signal);
    const found = answer.test_results ?? [];
    if (answer.compile && (answer.compile.stderr || answer.compile.stdout))
      empty(place("judge-compiler"), compileOutput(answer.compile, names(), shifted));
    if (!answer.test_results) {
      empty(result, make("p", { className: "summary trouble" }, "Nothing was judged: this executor knows no packages of problems."));
    } else if (generate) {
      const good = found.filter(each => ["accepted", "wrong_answer"].includes(each.status));
      for (const each of good) { const item = work.cases[Number(each.id) - 1]; if (item) item.expected = each.stdout ?? ""; }
      cases.draw();
      changed();
      const bad = found.filter(each => !good.includes(each));
      empty(result, make("p", { className: "summary" }, `${good.length} expected outputs were taken from this program.`,
        bad.length > 0 && ` Not from test case ${bad.map(each => `${each.id} (${reason(each) || each.status.replaceAll("_", " ")})`).join(", ")}.`));
    } else {
      empty(result, judgeSummary(answer), answer.groups ? groups(answer.groups) : null,
        ...(answer.warnings ?? []).map(warning => make("p", { className: "note" }, `${warning.field}: ${warning.message}`)));
      const visible = answer.status === "compile_error" ? [] : found;
      cases.show(visible.map((each, position) => caseResult(each, work.cases[position]?.expected ?? "", names(), shifted)), found.map(each => each.id));
    }
  } catch (error) {
    failed(result, error);
  } finally {
    judging = null;
    button("judge").disabled = button("generate").disabled = false;
    button("stop-judge").disabled = true;
  }
}

/* ---- share ---- */

async function copy(form: Form, from: HTMLButtonElement): Promise<void> {
  const text = await copyOf(form, work, judges(), Boolean(field("key").value));
  const words = from.textContent;
  try {
    await navigator.clipboard.writeText(text);
    from.textContent = "Copied";
    setTimeout(() => { from.textContent = words; }, 1500);
  } catch {
    /* A frame, or a page without TLS, may not write to the clipboard: a person can. */
    const box = make("textarea", { value: text, rows: 6, readOnly: true, "aria-label": "What to copy" });
    notice("Copy this: ", box);
    box.select();
  }
}

/* ---- the page ---- */

function bind(): void {
  for (const [id, name] of [["args", "args"], ["stdin", "stdin"], ["time-limit", "timeLimit"], ["problem", "problem"], ["template", "template"]] as const) {
    const node = place(id) as HTMLInputElement | HTMLTextAreaElement;
    node.addEventListener("input", () => { work[name] = node.value; changed(); });
  }
  const comparator = find("comparator", HTMLSelectElement);
  empty(comparator, ...COMPARATORS.map(name => make("option", { value: name }, name.replaceAll("_", " "))));
  comparator.addEventListener("change", () => { work.comparator = comparator.value; changed(); });
  const language = find("language", HTMLSelectElement);
  language.addEventListener("change", () => void chooseLanguage(language.value));
  button("run").addEventListener("click", () => void runOnce());
  button("stop").addEventListener("click", () => run?.stop());
  button("judge").addEventListener("click", () => void judge());
  button("stop-judge").addEventListener("click", () => judging?.abort());
  button("generate").addEventListener("click", () => void judge(true));
  button("add-case").addEventListener("click", () => { work.cases.push({ input: "", expected: "" }); changed(); cases.draw(); cases.focusLast(); });
  for (const [name, other] of [["run", "judge"], ["judge", "run"]] as const) {
    button(`tab-${name}`).addEventListener("click", () => tab(name));
    button(`tab-${name}`).addEventListener("keydown", event => { if (["ArrowLeft", "ArrowRight"].includes(event.key)) tab(other, true); });
  }
  find("type", HTMLFormElement).addEventListener("submit", event => {
    event.preventDefault();
    const typed = field("typed");
    output.add("stdin", `${typed.value}\n`);
    run?.type(`${typed.value}\n`);
    typed.value = "";
  });
  button("end-input").addEventListener("click", () => run?.endInput());
  document.querySelectorAll<HTMLButtonElement>("[data-copy]").forEach(each =>
    each.addEventListener("click", () => void copy(each.dataset.copy as Form, each)));
  button("lock").addEventListener("click", () => code.toggleLock());
  button("start-over").addEventListener("click", async () => {
    link = "";
    history.replaceState(null, "", `${location.pathname}${location.search}`);
    work = await fresh(work.language);
    show();
    keep();
  });
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
  addEventListener("pagehide", () => { if (saving) keep(); });
}

document.body.classList.toggle("embedded", embedded);
theme();
keyField(() => void findLanguages());
bind();
tab("run");
void load().then(findLanguages);

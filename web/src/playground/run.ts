/* Run: the program, live. */
import { empty, find, make } from "../shared/elements";
import { keep, names, shifted, versionHere, work } from "./desk";
import { live, type Run } from "./live";
import { button, failed, field, place } from "./notices";
import { Output, picture } from "./output";
import { compileOutput, runSummary } from "./results";

let run: Run | null = null;
const output = new Output("Output of the program", shifted);
place("run-output").append(output.node);

/* Whether a program is on, and may hold the only place. */
export const runs = (): boolean => run !== null;

export async function runOnce(): Promise<void> {
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
    /* Not the button: Enter, as for a line that comes too late, would start it again. */
    if (place("type").contains(document.activeElement)) output.node.focus();
    find("type", HTMLFormElement).hidden = true;
  }
}

export function bindRun(): void {
  button("run").addEventListener("click", () => void runOnce());
  button("stop").addEventListener("click", () => run?.stop());
  find("type", HTMLFormElement).addEventListener("submit", event => {
    event.preventDefault();
    const typed = field("typed");
    output.add("stdin", `${typed.value}\n`);
    run?.type(`${typed.value}\n`);
    typed.value = "";
  });
  button("end-input").addEventListener("click", () => run?.endInput());
}

/* Judge: the test cases, those of the page or of a package. */
import { empty, find, make } from "../shared/elements";
import { execute, putProblem } from "../shared/executor";
import { Cases } from "./cases";
import { changed, keep, names, shifted, whenChanged, work } from "./desk";
import { button, failed, field, place } from "./notices";
import { runs } from "./run";
import { caseResult, compileOutput, groups, judgeSummary, reason } from "./results";
import { COMPARATORS, judgeRequest } from "./work";

let judging: AbortController | null = null;
/* Whether there is a verdict, and it is on what stands there now. */
let current = false;
const COMPARED: Record<string, string> = {
  lines: "spaces at a line's end do not count", exact: "every character counts", tokens: "any space between words",
  float: "numbers may differ a little", case_insensitive: "letter case does not count", space_change_sensitive: "every space counts",
  unordered_lines: "lines in any order", regex: "the expected output is a pattern", json: "as values of JSON",
};
/* A line's end counts where a package's own rules are not known here, too. */
const marksEnds = (): boolean => Boolean(work.problem) || ["exact", "space_change_sensitive", "regex"].includes(work.comparator);
export const cases = new Cases(place("cases"), () => work.cases, changed);

export async function judge(generate = false): Promise<void> {
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
  const many = work.problem && !generate ? "by the package" : `${work.cases.length} test ${work.cases.length === 1 ? "case" : "cases"}`;
  empty(result, make("p", { className: "summary" }, `Judging ${many} …`,
    runs() && " Your program under Run is still on, and may hold the only place: stop it there."));
  current = false;
  try {
    const body = judgeRequest(generate ? { ...work, problem: "" } : work);
    const answer = await execute(body, judging.signal);
    const found = answer.test_results ?? [];
    if (answer.compile && (answer.compile.stderr || answer.compile.stdout))
      empty(place("judge-compiler"), compileOutput(answer.compile, names(), shifted));
    if (!answer.test_results) {
      empty(result, make("p", { className: "summary trouble" }, "Nothing was judged: this executor knows no packages of problems."));
    } else if (generate && !found.some(each => ["accepted", "wrong_answer"].includes(each.status))) {
      empty(result, make("p", { className: "summary trouble" }, "No expected output was taken from this program: ",
        found.map(each => `test case ${each.id}: ${reason(each) || each.status.replaceAll("_", " ")}`).join("; "), "."));
    } else if (generate) {
      const before = work.cases.map(item => item.expected);
      const good = found.filter(each => ["accepted", "wrong_answer"].includes(each.status));
      for (const each of good) { const item = work.cases[Number(each.id) - 1]; if (item) item.expected = each.stdout ?? ""; }
      cases.draw();
      changed();
      const bad = found.filter(each => !good.includes(each));
      empty(result, make("p", { className: "summary" }, `${good.length} expected outputs were taken from this program.`,
        bad.length > 0 && ` Not from test case ${bad.map(each => `${each.id} (${reason(each) || each.status.replaceAll("_", " ")})`).join(", ")}.`, " ",
        make("button", { type: "button", onclick: () => {
          before.forEach((expected, position) => { const item = work.cases[position]; if (item) item.expected = expected; });
          cases.draw();
          changed();
          empty(result);
        } }, "Bring back the ones before")));
    } else {
      empty(result, judgeSummary(answer), answer.groups ? groups(answer.groups) : null,
        ...(answer.warnings ?? []).map(warning => make("p", { className: "note" }, `${warning.field}: ${warning.message}`)));
      current = true;
      const visible = answer.status === "compile_error" ? [] : found;
      cases.show(visible.map((each, position) => caseResult(each, work.cases[position]?.expected ?? "", names(), shifted, marksEnds())), found.map(each => each.id), Boolean(work.problem));
    }
  } catch (error) {
    failed(result, error);
  } finally {
    judging = null;
    button("judge").disabled = button("generate").disabled = false;
    button("stop-judge").disabled = true;
  }
}

async function openPackage(file: File): Promise<void> {
  const result = place("judge-result");
  empty(result, make("p", { className: "summary" }, `Putting ${file.name} …`));
  try {
    const problem = await putProblem(file);
    work.problem = field("problem").value = problem.problem;
    changed();
    empty(result, make("p", { className: "summary" }, `${problem.name}: ${problem.cases} test cases. Judge uses them now, not those below.`),
      ...problem.warnings.map(warning => make("p", { className: "note" }, [warning.path, warning.message].filter(Boolean).join(": "))));
  } catch (error) {
    failed(result, error);
  }
}

/* A verdict that is not on what stands there now says so. */
function outdate(): void {
  if (!current) return;
  current = false;
  place("judge-result").prepend(make("p", { className: "note" }, "Program or test cases have changed since; judge again."));
}

export function bindJudge(): void {
  whenChanged(outdate);
  const comparator = find("comparator", HTMLSelectElement);
  empty(comparator, ...COMPARATORS.map(name => make("option", { value: name }, `${name.replaceAll("_", " ")}: ${COMPARED[name]}`)));
  comparator.addEventListener("change", () => { work.comparator = comparator.value; changed(); });
  button("judge").addEventListener("click", () => void judge());
  button("stop-judge").addEventListener("click", () => judging?.abort());
  button("generate").addEventListener("click", () => void judge(true));
  button("add-case").addEventListener("click", () => { work.cases.push({ input: "", expected: "" }); changed(); cases.draw(); cases.focusLast(); });
  field("package").addEventListener("change", async event => {
    const node = event.target as HTMLInputElement;
    const [file] = node.files ?? [];
    if (file) await openPackage(file);
    node.value = "";
  });
}

/* Results in words: how a run ended, and the verdict of each test case. */
import { make } from "../shared/elements";
import type { Answer, CaseResult, Group, Step } from "../shared/executor";
import { diff } from "./diff";
import { harmless, Output, type Place } from "./output";

const STATUS: Record<string, string> = {
  ok: "Finished", accepted: "Accepted", wrong_answer: "Wrong answer", runtime_error: "Runtime error",
  time_limit_exceeded: "Time limit exceeded", memory_limit_exceeded: "Memory limit exceeded",
  output_limit_exceeded: "Output limit exceeded", compile_error: "Compile error",
  compile_limit_exceeded: "The compiler met a limit", skipped: "Skipped",
  overloaded: "The host was overloaded: nobody's fault, send it again", judge_error: "The question's own checker failed",
  internal_error: "The executor failed: not the program's fault", cancelled: "Stopped",
};
export const statusWords = (status: string): string => STATUS[status] ?? status.replaceAll("_", " ");
const good = (status: string): boolean => ["ok", "accepted"].includes(status);

export const milliseconds = (value: number | undefined): string =>
  value === undefined ? "–" : value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${Math.round(value)} ms`;
export const mebibytes = (value: number | undefined | null): string => value ? `${(value / (1 << 20)).toFixed(1)} MiB` : "–";

/* Why it ended so: a signal, an exit code, a limit, and the executor's own words. */
export function reason(step: Partial<Step>): string {
  return [
    step.message, !step.signal ? step.code && !step.message?.includes(`exited with ${step.code}`) ? `exit code ${step.code}` : ""
      : step.message?.includes(step.signal) ? "" : `ended by ${step.signal}`,
    step.limited_by && !step.message ? `stopped by its limit of ${step.limited_by}` : "",
    step.stdout_truncated || step.stderr_truncated ? "more output than is kept" : "",
  ].filter(Boolean).map(words => harmless(String(words))).join("; ");
}

export function badge(status: string): HTMLElement {
  return make("strong", { className: `badge ${good(status) ? "good" : status === "skipped" || status === "cancelled" ? "dim" : "bad"}` },
    statusWords(status));
}

export function runSummary(step: Step): HTMLElement {
  const why = reason(step);
  return make("p", { className: "summary" }, badge(step.status), why && ` ${why}. `,
    make("span", { className: "figures" },
      ` CPU ${milliseconds(step.cpu_time)} · wall ${milliseconds(step.wall_time)} · memory ${mebibytes(step.memory)}`));
}

export function compileOutput(step: Step, names: readonly string[], goTo: Place): HTMLElement {
  const output = new Output("What the compiler said", goTo);
  output.clear(names);
  output.add("stderr", step.stdout + step.stderr);
  output.flush();
  return make("section", { className: "compiler" }, make("h2", { className: "small" }, "Compiler"), output.node);
}

/* A score may have no bound. */
function points(of: { score?: number | null; max_score?: number | null }): string {
  return of.score === undefined || of.score === null ? "" : `${of.score}${of.max_score ? ` of ${of.max_score}` : ""} points`;
}

export function judgeSummary(answer: Answer): HTMLElement {
  const score = points(answer);
  return make("p", { className: "summary" }, badge(answer.status ?? ""),
    ` ${answer.passed} of ${answer.total} test cases passed${score && `, ${score}`}.`);
}

export function groups(found: readonly Group[]): HTMLElement {
  return make("ul", { className: "groups" }, ...found.map(group => make("li", {},
    harmless(group.name), " ", badge(group.status), ` ${points(group)}`,
    group.groups?.length ? groups(group.groups) : null)));
}

export function caseResult(result: CaseResult, expected: string, names: readonly string[], goTo: Place, marksEnds: boolean): HTMLElement {
  const why = reason(result);
  const parts: (HTMLElement | false)[] = [];
  if (result.status === "wrong_answer" && result.stdout !== undefined)
    parts.push(make("h2", { className: "small" }, "Expected (−) and what came (+); a space is a ·"), diff(result.expected_output ?? expected, result.stdout, marksEnds));
  else if (result.stdout) parts.push(make("h2", { className: "small" }, "Output"), written("What came", result.stdout, "stdout", names, goTo));
  if (result.stderr) parts.push(make("h2", { className: "small" }, "Errors"), written("Standard error", result.stderr, "stderr", names, goTo));
  if (result.feedback) parts.push(make("p", { className: "note" }, harmless(result.feedback)));
  return make("div", { className: "verdict" },
    make("p", { className: "summary" }, badge(result.status), why && ` ${why}. `,
      points(result) && ` ${points(result)}. `,
      result.status !== "skipped" && make("span", { className: "figures" },
        ` CPU ${milliseconds(result.cpu_time)} · wall ${milliseconds(result.wall_time)} · memory ${mebibytes(result.memory)}`)),
    ...parts);
}

function written(label: string, text: string, stream: string, names: readonly string[], goTo: Place): HTMLElement {
  const output = new Output(label, goTo);
  output.clear(names);
  output.add(stream, text);
  output.flush();
  output.node.setAttribute("role", "group");
  return output.node;
}

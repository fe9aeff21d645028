/* What came beside what was expected: lines that differ, with white space made visible. */
import { make } from "../shared/elements";
import { harmless } from "./output";

const MOST_LINES = 300;
const MOST_LINE = 500;

export type Row = { kind: "same" | "missing" | "extra"; text: string };

/* The shortest way from one list of lines to the other, by their longest common part. */
export function rows(expected: readonly string[], got: readonly string[]): Row[] {
  let start = 0;
  while (start < expected.length && start < got.length && expected[start] === got[start]) start += 1;
  let tail = 0;
  while (tail < expected.length - start && tail < got.length - start
    && expected[expected.length - 1 - tail] === got[got.length - 1 - tail]) tail += 1;
  const left = expected.slice(start, expected.length - tail), right = got.slice(start, got.length - tail);
  const same = (text: string): Row => ({ kind: "same", text });
  return [...expected.slice(0, start).map(same), ...middle(left, right), ...expected.slice(expected.length - tail).map(same)];
}

function middle(left: readonly string[], right: readonly string[]): Row[] {
  const missing = left.map((text): Row => ({ kind: "missing", text })), extra = right.map((text): Row => ({ kind: "extra", text }));
  if (left.length * right.length > MOST_LINES * MOST_LINES) return [...missing, ...extra];
  const common = Array.from({ length: left.length + 1 }, () => new Uint16Array(right.length + 1));
  for (let i = left.length - 1; i >= 0; i -= 1)
    for (let j = right.length - 1; j >= 0; j -= 1)
      common[i]![j] = left[i] === right[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
  const found: Row[] = [];
  let i = 0, j = 0;
  while (i < left.length && j < right.length) {
    if (left[i] === right[j]) { found.push({ kind: "same", text: left[i]! }); i += 1; j += 1; }
    else if (common[i + 1]![j]! >= common[i]![j + 1]!) found.push(missing[i++]!);
    else found.push(extra[j++]!);
  }
  return [...found, ...missing.slice(i), ...extra.slice(j)];
}

/* A space as a dot, a tab as an arrow. */
export const visible = (line: string): string => harmless(line).replaceAll(" ", "·").replaceAll("\t", "→\t");

function line(row: Row): HTMLElement {
  const sign = { same: " ", missing: "−", extra: "+" }[row.kind], word = { same: "", missing: "expected: ", extra: "came: " }[row.kind];
  const text = row.text.length > MOST_LINE ? `${row.text.slice(0, MOST_LINE)}…` : row.text;
  return make("div", { className: row.kind },
    make("span", { className: "sign", "aria-hidden": "true" }, sign), make("span", { className: "unseen" }, word), visible(text));
}

function split(text: string, marksEnds: boolean): string[] {
  if (!marksEnds) return text.replace(/\n+$/, "").split("\n");
  const lines = text.split("\n");
  return lines.map((each, position) => position < lines.length - 1 ? `${each}⏎` : each).filter((each, position) => each || position < lines.length - 1);
}

/* `marksEnds` shows the ends of lines, for a comparator that asks for the last one too. */
export function diff(expected: string, got: string, marksEnds: boolean): HTMLElement {
  const all = rows(split(expected, marksEnds), split(got, marksEnds));
  const first = Math.max(all.findIndex(row => row.kind !== "same") - 3, 0);
  const part = all.slice(first, first + MOST_LINES);
  return make("div", { className: "diff", tabIndex: 0, role: "group", "aria-label": "Expected output (−) and what came (+)" },
    first > 0 && make("div", { className: "note" }, `… ${first} lines that are the same`),
    ...part.map(line),
    first + part.length < all.length && make("div", { className: "note" }, `… ${all.length - first - part.length} more lines`));
}

/* What a person works on: program, input and test cases; as a request, as a link, and as this browser keeps it. */
import type { ExecuteBody } from "../shared/executor";
import { remember, remembered } from "../shared/theme";

export interface WorkFile {
  name: string; content: string;
  /* First and last line, from 1, of each part that cannot be changed. */
  locked?: [number, number][];
}
export type Tab = "run" | "judge";
export interface Case { input: string; expected: string }
export interface Work {
  language: string; files: WorkFile[]; args: string; stdin: string; cases: Case[]; comparator: string;
  timeLimit: string; problem: string;
  /* What is shown beside the program. */
  tab: Tab;
  /* What the first file is put into before it runs, in place of {{code}}; empty where there is nothing around it. */
  template: string;
}

export const COMPARATORS = [
  "lines", "exact", "tokens", "float", "case_insensitive", "space_change_sensitive", "unordered_lines", "regex", "json",
];
const PLACE = "{{code}}";
const PICTURE = /["'`]([\w./-]+\.(?:png|svg|jpe?g|gif|webp))["'`]/g;
const MOST_PICTURES = 20;
const SAVED = "executor-work";
const SAVED_FROM_LINK = "executor-linked-work";

export function words(line: string): string[] {
  /* As a shell would split it, as far as quotes go. */
  return [...line.matchAll(/"((?:\\.|[^"\\])*)"|'([^']*)'|(\S+)/g)]
    .map(([, double, single, bare]) => double?.replace(/\\(.)/g, "$1") ?? single ?? bare ?? "");
}

export function sources(work: Work): { name: string; content: string }[] {
  return work.files.map(({ name, content }, position) => ({
    name, content: position === 0 && work.template.includes(PLACE) ? work.template.replace(PLACE, () => content) : content,
  }));
}

export function pictures(work: Work): string[] {
  const found = work.files.flatMap(file => [...file.content.matchAll(PICTURE)].map(([, name]) => name ?? ""));
  return [...new Set(found)].filter(name => name && !name.startsWith("/") && !name.includes("..")).slice(0, MOST_PICTURES);
}

export function runRequest(work: Work): ExecuteBody {
  const files = pictures(work), args = words(work.args);
  return {
    language: work.language, files: sources(work), stdin: work.stdin,
    ...(args.length && { args }), ...(files.length && { return_files: files }),
  };
}

export function judgeRequest(work: Work): ExecuteBody {
  const args = words(work.args), limit = Number(work.timeLimit);
  return {
    language: work.language, files: sources(work), ...(args.length && { args }),
    ...(limit > 0 && { time_limit: limit }),
    ...(work.problem ? { problem: work.problem } : {
      comparator: work.comparator,
      test_cases: work.cases.map((item, position) => ({
        id: String(position + 1), input: item.input, expected_output: item.expected,
      })),
    }),
  };
}

class NotWork extends Error {}

function checked(value: unknown): Work {
  const text = (item: unknown, name: string): string => {
    if (typeof item !== "string") throw new NotWork(`${name} is no text`);
    return item;
  };
  const list = (item: unknown, name: string): Record<string, unknown>[] => {
    if (!Array.isArray(item) || item.some(each => typeof each !== "object" || each === null)) throw new NotWork(`${name} is no list`);
    return item as Record<string, unknown>[];
  };
  if (typeof value !== "object" || value === null) throw new NotWork("it is no object");
  const work = value as Record<string, unknown>;
  const files = list(work.files, "files").map(file => ({
    name: text(file.name, "a file's name"), content: text(file.content, "a file"),
    ...(Array.isArray(file.locked) && {
      locked: file.locked.filter((lines): lines is [number, number] => Array.isArray(lines) && lines.length === 2
        && lines.every(line => Number.isInteger(line) && line > 0)),
    }),
  }));
  if (!files.length) throw new NotWork("there is no file");
  return {
    language: text(work.language, "language"), files,
    args: text(work.args ?? "", "args"), stdin: text(work.stdin ?? "", "stdin"),
    cases: list(work.cases ?? [], "cases").map(item => ({
      input: text(item.input, "an input"), expected: text(item.expected, "an expected output"),
    })),
    comparator: COMPARATORS.includes(work.comparator as string) ? work.comparator as string : "lines",
    timeLimit: text(work.timeLimit ?? "", "timeLimit"), problem: text(work.problem ?? "", "problem"),
    tab: work.tab === "judge" ? "judge" : "run",
    template: text(work.template ?? "", "template"),
  };
}

async function through(bytes: Uint8Array<ArrayBuffer>, step: CompressionStream | DecompressionStream): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(step)).arrayBuffer());
}

/* In a link everything stands in the fragment, which a browser never sends. */
export async function encoded(work: Work): Promise<string> {
  const bytes = await through(new TextEncoder().encode(JSON.stringify(work)), new CompressionStream("deflate-raw"));
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/* Rejects with an Error in words where the text is none of ours. */
export async function decoded(text: string): Promise<Work> {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), character => character.charCodeAt(0));
    const json = await through(bytes, new DecompressionStream("deflate-raw"));
    return checked(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json)));
  } catch (error) {
    throw new Error(error instanceof NotWork ? error.message : "it is not complete, or was changed on its way", { cause: error });
  }
}

/* Work that came with a link has a place of its own, so that a person's own program is still there afterwards. */
export function save(work: Work, link: string): boolean {
  return link ? remember(SAVED_FROM_LINK, JSON.stringify({ link, work })) : remember(SAVED, JSON.stringify(work));
}

export function saved(link: string): Work | null {
  try {
    if (!link) return checked(JSON.parse(remembered(SAVED)));
    const kept = JSON.parse(remembered(SAVED_FROM_LINK)) as { link?: unknown; work?: unknown };
    return kept.link === link ? checked(kept.work) : null;
  } catch { return null; }
}

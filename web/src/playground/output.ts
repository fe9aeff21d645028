/* Shows what a program wrote: always as text, whatever it is. A program's output is bytes from a stranger. */
import { empty, make } from "../shared/elements";

/* A browser lays out only those blocks that are in view, so that a megabyte costs no more than a page. */
const BLOCK = 4096;
const MOST_SHOWN = 4 << 20;
const MOST_LINKS = 200;
/* Each time the browser has to lay out what then comes into view. */
const FOLLOWS_MS = 100;

const COLOUR = /\x1b\[[0-9;:]*m/g;
/* Controls, and marks that change the direction of what stands beside them or cannot be seen. */
const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

function shown(mark: string): string {
  const code = mark.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
}

/* Colours of a terminal are left out; every other mark that cannot be seen is shown by its name. */
export const harmless = (text: string): string => text.replaceAll("\r\n", "\n").replace(COLOUR, "").replace(HIDDEN, shown);

export type Place = (file: number, line: number, column?: number) => void;

/* Places in the files of the work, as compilers and interpreters name them: `main.py", line 3`, `main.c:3:5`, `main.pl line 3`. */
function placePattern(names: readonly string[]): RegExp {
  const escaped = names.map(name => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`(?<![\\w.-])(${escaped.join("|")})"?(?::|\\(|,? (?:on |at )?line |: line )(\\d{1,7})(?:[:,](\\d{1,5}))?`, "g");
}

export class Output {
  readonly node = make("div", { className: "output", tabIndex: 0, role: "log", "aria-live": "polite" });
  private waiting: [string, string][] = [];
  private frame = 0;
  private length = 0;
  private links = 0;
  /* The last block, while what follows can still go into it. */
  private last: { node: HTMLElement; stream: string; length: number } | null = null;
  private pattern: RegExp | null = null;

  constructor(label: string, private readonly goTo: Place = () => undefined) { this.node.setAttribute("aria-label", label); }

  clear(names: readonly string[] = []): void {
    this.waiting = [];
    clearTimeout(this.following);
    this.bottom = this.following = 0;
    this.length = this.links = 0;
    this.last = null;
    this.pattern = names.length ? placePattern(names) : null;
    this.names = names;
    empty(this.node);
  }
  private names: readonly string[] = [];
  /* Where it was scrolled to last. Blocks that come into view change the height, and are no reason to stay behind. */
  private bottom = 0;
  private following = 0;

  /* Adds text of a stream; many calls within a frame are one change of the page. */
  add(stream: string, text: string): void {
    if (!text) return;
    const before = this.waiting.at(-1);
    if (before?.[0] === stream) before[1] += text;
    else this.waiting.push([stream, text]);
    this.frame ||= requestAnimationFrame(() => this.writeWaiting());
  }

  /* At the end of what comes. */
  flush(): void {
    this.writeWaiting();
    if (this.following) this.toEnd();
  }

  private writeWaiting(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const atEnd = this.node.scrollTop >= this.bottom - 40;
    for (const [stream, text] of this.waiting) this.write(stream, text);
    this.waiting = [];
    if (atEnd) this.following ||= setTimeout(() => this.toEnd(), FOLLOWS_MS);
  }

  /* Twice, since what comes into view may be higher than it was taken for. */
  private toEnd(): void {
    clearTimeout(this.following);
    this.following = 0;
    const scroll = (): void => { this.node.scrollTop = this.node.scrollHeight; this.bottom = this.node.scrollTop; };
    scroll();
    requestAnimationFrame(scroll);
  }

  private write(stream: string, text: string): void {
    if (this.length >= MOST_SHOWN) return;
    const clean = harmless(text);
    this.length += clean.length;
    for (let start = 0; start < clean.length;) {
      if (!this.last || this.last.stream !== stream || this.last.length >= BLOCK) {
        this.last = { node: make("span", { className: `block ${stream}` }), stream, length: 0 };
        this.node.append(this.last.node);
      }
      let end = start + BLOCK;
      /* A block ends with a line where there is one. */
      const line = clean.lastIndexOf("\n", end);
      if (end < clean.length && line > start) end = line + 1;
      const piece = clean.slice(start, end);
      this.last.node.append(...this.linked(piece));
      this.last.length += piece.length;
      start = end;
      if (this.last.length >= BLOCK || end < clean.length) { this.last.length = BLOCK; this.last.node.classList.add("full"); }
    }
    if (this.length >= MOST_SHOWN) this.node.append(make("span", { className: "block note" }, "\n… more than this page shows\n"));
  }

  private linked(text: string): Node[] {
    const nodes: Node[] = [];
    let end = 0;
    for (const found of this.pattern ? text.matchAll(this.pattern) : []) {
      if (this.links >= MOST_LINKS) break;
      this.links += 1;
      const [whole, name, line, column] = found, file = this.names.indexOf(name ?? "");
      const link = make("button", { type: "button", className: "place", title: "Show this line" }, whole);
      link.addEventListener("click", () => this.goTo(file, Number(line), column ? Number(column) : undefined));
      nodes.push(document.createTextNode(text.slice(end, found.index)), link);
      end = found.index + whole.length;
    }
    nodes.push(document.createTextNode(text.slice(end)));
    return nodes;
  }
}

const TYPES: Record<string, string> = {
  png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", svg: "image/svg+xml",
};

/* A picture is drawn by the browser's decoder alone: inside of an image nothing of an SVG runs or loads. */
export function picture(name: string, base64: string): HTMLElement {
  const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
  const type = TYPES[name.split(".").pop()?.toLowerCase() ?? ""] ?? "application/octet-stream";
  const address = URL.createObjectURL(new Blob([bytes], { type }));
  const image = make("img", { src: address, alt: `Picture ${name}, made by the program` });
  image.addEventListener("load", () => URL.revokeObjectURL(address));
  image.addEventListener("error", () => image.replaceWith(make("p", { className: "note" }, `${name} is no picture that a browser can show.`)));
  return make("figure", {}, image, make("figcaption", {}, harmless(name)));
}

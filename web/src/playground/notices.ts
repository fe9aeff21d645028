/* The page's parts by name, and what happened, in words. */
import { empty, find, make } from "../shared/elements";
import { Trouble } from "../shared/executor";
import { askForKey } from "../shared/key";

export const button = (id: string) => find(id, HTMLButtonElement);
export const field = (id: string) => find(id, HTMLInputElement);
export const area = (id: string) => find(id, HTMLTextAreaElement);
export const place = (id: string) => find(id, HTMLElement);

export function notice(words: string, ...more: HTMLElement[]): void {
  const node = place("notice");
  node.hidden = !words;
  empty(node, words, ...more, words ? make("button", { type: "button", "aria-label": "Close this notice", onclick: () => notice("") }, "×") : null);
}

export function failed(where: HTMLElement, error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") { empty(where, make("p", { className: "summary" }, "Stopped.")); return; }
  const words = error instanceof Error ? error.message : String(error);
  empty(where, make("p", { className: "summary trouble" }, words));
  if (error instanceof Trouble && error.code === "unauthorized") askForKey();
}

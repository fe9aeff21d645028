/* The files of the work as tabs: the one that is open has its name in a field. */
import { empty, make } from "../shared/elements";
import type { WorkFile } from "./work";

export interface Tabs { open: (position: number) => void; rename: (name: string) => void; remove: () => void; add: () => void }

export function showFiles(bar: HTMLElement, files: readonly WorkFile[], open: number, fixed: boolean, tabs: Tabs): void {
  empty(bar, ...files.map((file, position) => position === open
    ? make("span", { className: "tab open" },
      make("input", {
        value: file.name, "aria-label": `Name of the open file, ${position + 1} of ${files.length}`, spellcheck: false,
        size: Math.max(file.name.length, 6), readOnly: fixed, onchange: (event: Event) => tabs.rename((event.target as HTMLInputElement).value.trim()),
      }),
      files.length > 1 && !fixed && make("button", {
        type: "button", "aria-label": `Remove ${file.name}`, title: "Remove", onclick: () => tabs.remove(),
      }, "×"))
    : make("button", { type: "button", className: "tab", onclick: () => tabs.open(position) }, file.name)),
  !fixed && make("button", { type: "button", className: "tab add", "aria-label": "Add a file", title: "Add a file", onclick: () => tabs.add() }, "+"));
}

/* Test cases as rows: input, expected output, and the verdict when there is one. */
import { empty, make } from "../shared/elements";
import { harmless } from "./output";
import type { Case } from "./work";

export class Cases {
  private verdicts: HTMLElement[] = [];

  constructor(private readonly list: HTMLElement, private readonly cases: () => Case[], private readonly changed: () => void) {}

  draw(): void {
    const cases = this.cases();
    this.verdicts = cases.map(() => make("div"));
    empty(this.list, ...cases.map((item, position) => this.row(item, position)));
  }

  private row(item: Case, position: number): HTMLElement {
    const number = position + 1;
    const field = (name: "input" | "expected", label: string) => make("label", {}, label,
      make("textarea", {
        value: item[name], rows: Math.min(Math.max(item[name].split("\n").length, 2), 8), spellcheck: false,
        "aria-label": `${label}, test case ${number}`, placeholder: name === "input" ? "no input" : "nothing",
        oninput: (event: Event) => { item[name] = (event.target as HTMLTextAreaElement).value; this.changed(); },
      }));
    return make("li", { "aria-label": `Test case ${number}` },
      make("div", { className: "case" },
        field("input", "Input"), field("expected", "Expected output"),
        make("button", {
          type: "button", "aria-label": `Remove test case ${number}`, title: "Remove",
          onclick: () => { this.cases().splice(position, 1); this.changed(); this.draw(); this.focusRemove(position); },
        }, "×")),
      this.verdicts[position] ?? null);
  }

  /* Shows each case's result beside it; those of a package's cases go into rows of their own. */
  show(results: readonly HTMLElement[], names: readonly string[], ofPackage: boolean): void {
    this.clear();
    results.forEach((result, position) => {
      const place = this.verdicts[position];
      if (place && !ofPackage) empty(place, result);
      else this.list.append(make("li", { className: "only", "aria-label": `Test case ${names[position]}` },
        make("h2", { className: "small" }, harmless(names[position] ?? "")), result));
    });
  }

  clear(): void {
    this.verdicts.forEach(verdict => empty(verdict));
    this.list.querySelectorAll(":scope > .only").forEach(row => row.remove());
  }

  /* A keyboard goes on where the row was that is gone. */
  private focusRemove(position: number): void {
    const buttons = this.list.querySelectorAll<HTMLButtonElement>(".case > button");
    (buttons[Math.min(position, buttons.length - 1)] ?? document.getElementById("add-case"))?.focus();
  }

  focusLast(): void { this.list.querySelector<HTMLTextAreaElement>(":scope > li:last-child textarea")?.focus(); }
}

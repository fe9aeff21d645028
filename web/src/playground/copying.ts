/* Copies the work, in one of the forms in which it can be taken elsewhere. */
import { make } from "../shared/elements";
import { work } from "./desk";
import { field, notice } from "./notices";
import { copyOf, type Form } from "./share";

async function copy(form: Form, from: HTMLButtonElement, judged: boolean): Promise<void> {
  const text = await copyOf(form, work, judged, Boolean(field("key").value));
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

export function bindCopies(judged: () => boolean): void {
  document.querySelectorAll<HTMLButtonElement>("[data-copy]").forEach(each =>
    each.addEventListener("click", () => void copy(each.dataset.copy as Form, each, judged())));
}

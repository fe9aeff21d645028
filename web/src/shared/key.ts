/* The key field, on every page that calls the executor. */
import { find } from "./elements";
import { key } from "./executor";

export function keyField(changed: () => void = () => undefined): void {
  const field = find("key", HTMLInputElement);
  field.value = key.get();
  field.addEventListener("change", () => { key.set(field.value.trim()); changed(); });
}

export function askForKey(): void {
  const field = find("key", HTMLInputElement);
  field.closest("details")?.setAttribute("open", "");
  field.focus();
}

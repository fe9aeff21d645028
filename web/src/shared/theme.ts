/* Dark or light: as the system says, until a person chooses. */
import { find } from "./elements";

const THEME = "executor-theme";

export function remembered(name: string): string {
  try { return localStorage.getItem(name) ?? ""; } catch { return ""; }
}

export function remember(name: string, value: string): boolean {
  try { localStorage.setItem(name, value); return true; } catch { return false; }
}

export function theme(): void {
  const button = find("theme", HTMLButtonElement);
  const isDark = (): boolean => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const show = (): void => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.title = isDark() ? "Light colours" : "Dark colours";
  };
  const chosen = remembered(THEME);
  if (chosen) document.documentElement.dataset.theme = chosen;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    remember(THEME, document.documentElement.dataset.theme);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

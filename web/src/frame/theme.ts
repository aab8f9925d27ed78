// Light, dark, or as the system has it; public/theme.js sets it before the first paint.
export type Theme = "system" | "light" | "dark";

export function theme(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export function setTheme(chosen: Theme): void {
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
  try {
    if (chosen === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", chosen);
  } catch {
    // It holds for this page only.
  }
}

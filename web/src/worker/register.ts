// Installs the service worker, where there is one to install: not while the pages are being developed.

interface Policies {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): { createScriptURL(url: string): unknown };
}

export function registerWorker(): void {
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return;
  // The page's policy lets no text become a script's address but through a named rule.
  const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
  const own = "/worker.js";
  const policy = policies?.createPolicy("switchboard-worker", {
    createScriptURL: (url) => {
      if (url !== own) throw new TypeError("not our worker");
      return url;
    },
  });
  const address = (policy?.createScriptURL(own) ?? own) as string;
  navigator.serviceWorker.register(address).catch(() => {
    // Without it the page needs the hub to open: no more than that.
  });
}

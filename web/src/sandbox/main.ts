// The sandbox's page begins here.
import "../frame/base.css";

import { mount } from "svelte";

import { browserKeep, Store } from "../chat/store.svelte.ts";
import SandboxPage from "./SandboxPage.svelte";
import { World } from "./world.svelte.ts";

const target = document.getElementById("page");
if (target === null) throw new Error("the page has no place for the sandbox");
const world = new World();
const store = new Store(await browserKeep());
mount(SandboxPage, { target, props: { store, world } });
world.start();
void store.run();

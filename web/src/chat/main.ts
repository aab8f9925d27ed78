// The chat's page begins here.
import "../frame/base.css";

import { mount } from "svelte";

import { registerWorker } from "../worker/register.ts";
import ChatPage from "./ChatPage.svelte";
import { browserKeep, Store } from "./store.svelte.ts";

const target = document.getElementById("page");
if (target === null) throw new Error("the page has no place for the chat");
const store = new Store(await browserKeep());
mount(ChatPage, { target, props: { store } });
void store.run();
registerWorker();

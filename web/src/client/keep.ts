// What survives a closed page: messages not sent yet, and the last page of each room. In IndexedDB.
//
// Everything is kept for one person; another who signs in on the same browser sees nothing of it.
import type { RoomListed, Shown } from "./protocol.ts";
import type { Entry } from "./outbox.ts";

export interface KeptRoom {
  /** `person room`, the key. */
  id: string;
  person: string;
  listed: RoomListed;
  messages: readonly Shown[];
  read: number;
}

export interface Keep {
  entries(person: string): Promise<Entry[]>;
  put(entry: Entry): Promise<void>;
  remove(id: string): Promise<void>;
  rooms(person: string): Promise<KeptRoom[]>;
  putRoom(room: KeptRoom): Promise<void>;
  /** Forgets everything of everybody: after signing out. */
  clear(): Promise<void>;
}

const NAME = "switchboard";
const VERSION = 1;

/** Opens the browser's store; rejects where the browser has none to give (some private windows). */
export async function openKeep(factory: IDBFactory = indexedDB): Promise<Keep> {
  const request = factory.open(NAME, VERSION);
  request.onupgradeneeded = () => {
    for (const store of ["entries", "rooms"]) {
      request.result.createObjectStore(store, { keyPath: "id" }).createIndex("person", "person");
    }
  };
  const database = await done(request);
  // Another page wants a newer form of the store.
  database.onversionchange = () => database.close();

  const run = async <T>(
    store: string,
    mode: IDBTransactionMode,
    ask: (store: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T> => {
    const transaction = database.transaction(store, mode);
    const ended = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("the store gave up"));
    });
    const answer = await done(ask(transaction.objectStore(store)));
    await ended;
    return answer;
  };
  return {
    entries: async (person) => {
      const found = await run("entries", "readonly", (store) => store.index("person").getAll(person));
      return (found as Entry[]).sort((a, b) => a.at - b.at);
    },
    put: async (entry) => void (await run("entries", "readwrite", (store) => store.put(entry))),
    remove: async (id) => void (await run("entries", "readwrite", (store) => store.delete(id))),
    rooms: async (person) =>
      (await run("rooms", "readonly", (store) => store.index("person").getAll(person))) as KeptRoom[],
    putRoom: async (room) => void (await run("rooms", "readwrite", (store) => store.put(room))),
    clear: async () => {
      await run("entries", "readwrite", (store) => store.clear());
      await run("rooms", "readwrite", (store) => store.clear());
    },
  };
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the store did not answer"));
  });
}

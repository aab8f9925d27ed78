// socket.io's chat, as its tutorial has it, over WebSocket only: what one says goes to all. In memory.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const { Server } = createRequire(`${process.env.NODE_MODULES}/`)("socket.io");
const server = createServer();
const io = new Server(server, { transports: ["websocket"] });
io.on("connection", (socket) => socket.on("chat message", (text) => io.emit("chat message", text)));
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}\nready`));

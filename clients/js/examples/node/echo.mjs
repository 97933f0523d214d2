// A partner that is always there, for whoever writes a page: it sends back what comes as `data`. No camera is needed.
import { createClient } from "@signald/client";
import WebSocket from "ws"; // Node 22 has one of its own.

const client = createClient({ url: process.argv[2] ?? "ws://localhost:8080/ws", WebSocket });
const wishes = { pool: "echo" };

client.on("matched", ({ partnerId }) => console.log("met", partnerId));
client.on("data", ({ data }) => client.data(data));
client.on("partner-left", () => client.available(wishes));
client.on("ready", () => client.available(wishes)); // Also after a connection that could not be resumed.
client.on("state", (state) => state === "refused" && console.error(client.refusal?.message));

await client.connect();
console.log("waiting as", client.clientId);

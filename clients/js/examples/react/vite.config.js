import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Where `make run` of signald listens; on a server of your own the page and /ws have one address anyway.
const signald = process.env.SIGNALD ?? "http://localhost:8080";

export default defineConfig({
  plugins: [react()],
  server: { proxy: { "/ws": { target: signald, ws: true } } },
});

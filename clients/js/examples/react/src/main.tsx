import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

import { Chat } from "./Chat";

function App() {
  const [open, setOpen] = useState(true);
  return (
    <>
      <button onClick={() => setOpen(!open)}>{open ? "Close" : "Open"}</button>
      {open && <Chat />}
    </>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

import { useRandomChat } from "@signald/client/react";
import { useEffect, useRef, type FormEvent } from "react";

export function Chat() {
  const chat = useRandomChat({ storage: sessionStorage });
  const { state, partner, sending, error } = chat;

  function write(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    if (chat.sendText(String(new FormData(form).get("text")))) form.reset();
  }

  return (
    <main>
      <p role="status">
        {state}
        {error && `: ${error.message}`}
      </p>
      <Video stream={chat.remoteStream} label="Partner" />
      {partner && !partner.sending.video && <p>Your partner’s camera is off.</p>}
      <Video stream={chat.localStream} label="You" muted />
      {state === "idle" || state === "stopped" ? (
        <button onClick={chat.start}>Start</button>
      ) : (
        <>
          <button onClick={chat.next}>Next</button>
          <button onClick={chat.stop}>Leave</button>
          <button onClick={() => chat.turn("video", !sending.video)}>{sending.video ? "Camera off" : "Camera on"}</button>
          <button onClick={() => chat.turn("audio", !sending.audio)}>{sending.audio ? "Mute" : "Unmute"}</button>
        </>
      )}
      <ul>
        {chat.texts.map(({ from, text }, place) => (
          <li key={place}>
            {from}: {text}
          </li>
        ))}
      </ul>
      <form onSubmit={write}>
        <input name="text" aria-label="Text" required disabled={!chat.canText} />
      </form>
    </main>
  );
}

function Video({ stream, label, muted = false }: { stream: MediaStream | null; label: string; muted?: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
  }, [stream]);
  return <video ref={video} aria-label={label} autoPlay playsInline muted={muted} />;
}

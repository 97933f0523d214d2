"""A bot for a random video chat: shows each partner a film, writes back what it is written, and goes on to the next.

pip install "signald-client[bot]"
python bot.py wss://signald.example.org/ws
"""

import argparse
import asyncio
import logging
import signal
from contextlib import suppress

from signald_client import connect
from signald_client.bot import Bot, Call, film


async def talk(call: Call) -> None:
    """One call: it ends with this function, and with the partner."""
    call.on_text(lambda call, text: call.send_text(f"You said: {text}"))
    await call.connected.wait()
    print(f"connected with {call.match.partner_id}", flush=True)
    while call.match.ended is None:
        await asyncio.sleep(1)
        seen, heard = call.frames["video"], call.frames["audio"]
        print(f"{seen} pictures, {heard} pieces of sound, {len(call.texts)} texts", flush=True)


async def main() -> None:
    """Call until it is stopped."""
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="the server's WebSocket, such as wss://signald.example.org/ws")
    parser.add_argument("--token", help="who the bot is, where the server wants to know")
    parser.add_argument("--likes", action="append", default=[], metavar="WORD", help="an interest; may be repeated")
    parser.add_argument("--echo", action="store_true", help="send back what comes, in place of the film")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    async with connect(asked.url, get_token=(lambda: asked.token) if asked.token else None) as client:
        print(f"here as {client.client_id}", flush=True)
        bot = Bot(client, tracks=None if asked.echo else film, on_call=talk)
        await bot.run({"likes": asked.likes} if asked.likes else None)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(main())

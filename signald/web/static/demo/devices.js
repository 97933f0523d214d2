/**
 * Which camera and which microphone: asked in a dialog, and taken at once, so that the user sees what comes of it.
 *
 * @module devices
 */

import { devicesShown, givenDevices, showDevices } from "./dialogs.js";
import { controls } from "./elements.js";

/** @import { Own } from "./own.js" */

/** @param {Own} own */
export function letChoose(own) {
  const show = async () => {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    showDevices({ camera: known(all, "videoinput", own), microphone: known(all, "audioinput", own) });
  };
  controls.devices.addEventListener("click", show);
  controls.devicesForm.addEventListener("change", () => own.choose(givenDevices()));
  navigator.mediaDevices?.addEventListener("devicechange", () => devicesShown() && show());
}

/**
 * @param {MediaDeviceInfo[]} all
 * @param {"videoinput" | "audioinput"} kind
 * @param {Own} own
 */
function known(all, kind, own) {
  const used = own.stream?.getTracks().map((track) => track.getSettings().deviceId);
  const name = kind === "videoinput" ? "Camera" : "Microphone";
  return all
    .filter((device) => device.kind === kind)
    .map(({ deviceId, label }, place) => ({
      id: deviceId,
      name: label || `${name} ${place + 1}`,
      used: used?.includes(deviceId) ?? false,
    }));
}

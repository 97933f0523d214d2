/**
 * The elements of index.html, by what they are for.
 *
 * @module elements
 */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`no ${type.name} #${id} in the page`);
  return found;
}

export const controls = {
  start: element("start", HTMLButtonElement),
  next: element("next", HTMLButtonElement),
  leave: element("leave", HTMLButtonElement),
  mute: element("mute", HTMLButtonElement),
  cameraOff: element("camera-off", HTMLButtonElement),
  toggleChat: element("toggle-chat", HTMLButtonElement),
  retryMedia: element("retry-media", HTMLButtonElement),
  dismissNotice: element("dismiss-notice", HTMLButtonElement),
  help: element("help", HTMLButtonElement),
  devices: element("devices", HTMLButtonElement),
  devicesForm: element("devices-form", HTMLFormElement),
  report: element("report", HTMLButtonElement),
  reportForm: element("report-form", HTMLFormElement),
  reportCancel: element("report-cancel", HTMLButtonElement),
  choose: element("choose", HTMLButtonElement),
  wishesForm: element("wishes-form", HTMLFormElement),
  wishesCancel: element("wishes-cancel", HTMLButtonElement),
  likes: element("likes", HTMLInputElement),
  chatForm: element("chat-form", HTMLFormElement),
  chatText: element("chat-text", HTMLInputElement),
};

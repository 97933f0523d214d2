/**
 * The questions that the page asks in dialogs: whom to meet, what is wrong with somebody, which camera.
 *
 * @module dialogs
 */

import { controls, element } from "./elements.js";

const devicesDialog = element("devices-dialog", HTMLDialogElement);
const reportDialog = element("report-dialog", HTMLDialogElement);
const shortcuts = element("shortcuts", HTMLDialogElement);
const wishesDialog = element("wishes-dialog", HTMLDialogElement);

/** What the page asks for, by code. @type {ReadonlyMap<string, string>} */
export const LANGUAGES = new Map(
  [...controls.wishesForm.querySelectorAll("input[name=language]")].map((box) => [
    /** @type {HTMLInputElement} */ (box).value,
    box.parentElement?.textContent?.trim() ?? "",
  ]),
);

/** Those that belong to a call. */
export function closeDialogs() {
  for (const dialog of [devicesDialog, reportDialog, shortcuts]) dialog.close();
}

export function showShortcuts() {
  shortcuts.showModal();
}

/** Ask whom the user wants to meet. @param {{ likes: string, languages: string[] }} chosen  as chosen before */
export function showWishes({ likes, languages }) {
  controls.wishesForm.reset();
  refuseLikes("");
  controls.likes.value = likes;
  for (const box of controls.wishesForm.querySelectorAll("input")) {
    if (box.name === "language") box.checked = languages.includes(box.value);
  }
  wishesDialog.showModal();
}

/** What the user has filled in. @returns {{ likes: string, languages: string[] }} */
export function givenWishes() {
  const languages = new FormData(controls.wishesForm).getAll("language").map(String);
  return { likes: controls.likes.value, languages };
}

/** @param {string} why  what is wrong with the interests; empty: nothing */
export function refuseLikes(why) {
  controls.likes.setCustomValidity(why);
}

export function closeWishes() {
  wishesDialog.close();
}

/** @param {boolean} possible */
export function allowReport(possible) {
  if (!possible && document.activeElement === controls.report) controls.next.focus({ preventScroll: true });
  controls.report.disabled = !possible;
}

/** Ask what is wrong, with nothing filled in yet. */
export function showReport() {
  controls.reportForm.reset();
  reportDialog.showModal();
}

/** What the user has filled in. @returns {{ reason: string, text: string, block: boolean }} */
export function givenReport() {
  const given = new FormData(controls.reportForm);
  return { reason: String(given.get("reason")), text: String(given.get("text")).trim(), block: given.has("block") };
}

export function closeReport() {
  reportDialog.close();
}

/**
 * Ask for devices.
 *
 * @param {Record<"camera" | "microphone", { id: string, name: string, used: boolean }[]>} there  all that there are
 */
export function showDevices(there) {
  for (const [kind, devices] of Object.entries(there)) {
    const list = element(kind, HTMLSelectElement);
    list.replaceChildren(...devices.map(({ id, name, used }) => new Option(name, id, used, used)));
    list.disabled = devices.length < 2;
  }
  if (!devicesDialog.open) devicesDialog.showModal();
}

export function devicesShown() {
  return devicesDialog.open;
}

/** What the user has chosen. @returns {{ camera: string, microphone: string }} */
export function givenDevices() {
  const given = new FormData(controls.devicesForm);
  return { camera: String(given.get("camera") ?? ""), microphone: String(given.get("microphone") ?? "") };
}

/**
 * Makes charts' points of what instances tell: gauges are added up, counters become what happened in a minute.
 *
 * @module numbers
 */

/** Seconds of a chart. */
export const HOUR_S = 3600;

/** Seconds that one point of a chart stands for. */
export const BIN_S = 30;

/** Seconds between two samples that are kept. */
const KEPT_S = 10;

/** @typedef {Record<string, any>} Sample  with the names of `fields` */
/** @typedef {[number, number | null][]} Points  by time; null where nothing is known */

/** Keeps the samples of the last hour, by instance. */
export class History {
  constructor() {
    /** @type {Map<string, Sample[]>} */
    this.instances = new Map();
    /** @type {string[]} */
    this.fields = [];
    this.now = 0;
  }

  /** Begin with what the server remembers. @param {any} hour */
  begin(hour) {
    this.fields = hour.fields;
    this.instances.clear();
    for (const { instanceId, samples } of hour.instances) for (const sample of samples) this.add(instanceId, sample);
  }

  /** One more sample of an instance. @param {string} instance @param {any[]} values */
  add(instance, values) {
    const sample = Object.fromEntries(this.fields.map((name, at) => [name, values[at]]));
    const kept = this.instances.get(instance) ?? [];
    const before = kept.at(-2);
    if (before && sample.at - before.at < KEPT_S) kept.pop();
    kept.push(sample);
    this.now = Math.max(this.now, sample.at);
    while (kept[0].at < this.now - HOUR_S - BIN_S) kept.shift();
    this.instances.set(instance, kept);
  }

  /** Forget whom nobody has heard of for an hour. */
  sweep() {
    for (const [name, kept] of this.instances) {
      if ((kept.at(-1)?.at ?? 0) < this.now - HOUR_S) this.instances.delete(name);
    }
  }

  /** @param {string} which  an instance; empty for all */
  *_of(which) {
    for (const [name, kept] of this.instances) if (!which || which === name) yield kept;
  }

  /** The bin of a time. @param {number} at */
  _bin(at) {
    return Math.floor(at / BIN_S);
  }

  /** @param {(bin: number) => number | null} value @returns {Points} */
  _points(value) {
    const last = this._bin(this.now);
    return Array.from({ length: HOUR_S / BIN_S + 1 }, (_, back) => last - HOUR_S / BIN_S + back).map((bin) => [
      bin * BIN_S,
      value(bin),
    ]);
  }

  /**
   * A gauge, of all instances together.
   *
   * @param {string} which
   * @param {(sample: Sample) => number} read
   * @param {(a: number, b: number) => number} [join]
   */
  gauge(which, read, join = (a, b) => a + b) {
    /** @type {Map<number, number>} */
    const bins = new Map();
    for (const kept of this._of(which)) {
      /** @type {Map<number, number>} */
      const own = new Map();
      for (const sample of kept) own.set(this._bin(sample.at), read(sample));
      for (const [bin, value] of own) bins.set(bin, bins.has(bin) ? join(/** @type {number} */ (bins.get(bin)), value) : value);
    }
    return this._points((bin) => bins.get(bin) ?? null);
  }

  /**
   * By how much counters grew in each bin, all instances together; a counter that falls began anew.
   *
   * @param {string} which
   * @param {(sample: Sample) => number} read
   */
  _growth(which, read) {
    /** @type {Map<number, number>} */
    const bins = new Map();
    for (const kept of this._of(which)) {
      kept.forEach((sample, at) => {
        if (!at) return;
        const now = read(sample), before = read(kept[at - 1]), bin = this._bin(sample.at);
        bins.set(bin, (bins.get(bin) ?? 0) + (now < before ? now : now - before));
      });
    }
    return bins;
  }

  /** A counter, as what happens in a minute. @param {string} which @param {(sample: Sample) => number} read */
  rate(which, read) {
    const bins = this._growth(which, read);
    return this._points((bin) => (bins.has(bin) ? (/** @type {number} */ (bins.get(bin)) * 60) / BIN_S : null));
  }

  /**
   * One counter by another; null where the other stood still.
   *
   * @param {string} which
   * @param {(sample: Sample) => number} read
   * @param {(sample: Sample) => number} by
   */
  ratio(which, read, by) {
    const tops = this._growth(which, read), bottoms = this._growth(which, by);
    return this._points((bin) => (bottoms.get(bin) ? (tops.get(bin) ?? 0) / /** @type {number} */ (bottoms.get(bin)) : null));
  }
}

/** What a sample says of a pool. @param {Sample} sample @param {string} name @param {1 | 2 | 3} at  waiting, matched, waited */
export const ofPool = (sample, name, at) => sample.pools.find((/** @type {any[]} */ pool) => pool[0] === name)?.[at] ?? 0;

/** The last value that is known, of the last minutes. @param {Points} points */
export function latest(points) {
  return points.slice(-4).reduce((/** @type {number | null} */ found, [, value]) => value ?? found, null);
}

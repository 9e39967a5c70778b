/** Signals as clients write them: "TERM", "SIGTERM", "15", "RTMIN+3". signal(7). Pure. */
import { constants } from 'node:os';
import { refuse } from './refuse.js';

const RTMIN = 34;
const RTMAX = 64;

/** The number, or undefined. */
export function signalNumber(text: string): number | undefined {
  if (/^\d{1,3}$/.test(text)) {
    const number = Number(text);
    return number >= 1 && number <= RTMAX ? number : undefined;
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realtime = /^RTM(IN|AX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realtime !== null) {
    const from = realtime[1] === 'IN' ? RTMIN : RTMAX;
    const number = from + Number(`${realtime[2] ?? '+'}${realtime[3] ?? 0}`);
    return number >= RTMIN && number <= RTMAX ? number : undefined;
  }
  return (constants.signals as { readonly [name: string]: number })[`SIG${name}`];
}

/** Throws TsrunError REQUEST_INVALID, in dockerd's words. */
export function checkSignal(text: string): number {
  const number = signalNumber(text);
  if (number === undefined) throw refuse(`invalid signal: ${text}`);
  return number;
}

/**
 * Signal names and numbers of the generic Linux ABI, for `kill ID SIGNAL`. Real-time signals are counted as glibc does:
 * SIGRTMIN is 34, because the threading library keeps 32 and 33.
 *
 * Pure.
 */
/** In the order of their numbers, from 1. */
const NAMES =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'.split(
    ' ',
  );

const ALIASES: { readonly [name: string]: number } = { IOT: 6, CLD: 17, POLL: 29, RTMIN: 34, RTMAX: 64 };

const RTMIN = 34;
const MAX_SIGNAL = 64;

function byName(name: string): number | undefined {
  const index = NAMES.indexOf(name);
  return index >= 0 ? index + 1 : Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
}

/** SIGRTMIN+3, RTMAX-1 */
function realTime(name: string): number | undefined {
  const match = /^RT(MIN\+|MAX-)(\d{1,2})$/.exec(name);
  if (!match) return undefined;
  const offset = Number(match[2]);
  return match[1] === 'MIN+' ? RTMIN + offset : MAX_SIGNAL - offset;
}

/** The number of "TERM", "SIGTERM", "sigterm", "15", "SIGRTMIN+3", or 0, which only asks whether the process is there. */
export function parseSignal(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    return number <= MAX_SIGNAL ? number : undefined;
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const number = byName(name) ?? realTime(name);
  if (number === undefined) return undefined;
  const inRange = realTime(name) === undefined || (number >= RTMIN && number <= MAX_SIGNAL);
  return inRange ? number : undefined;
}

/** "SIGKILL" for 9; a real-time signal by its number. */
export function signalName(number: number): string {
  const name = NAMES[number - 1];
  return name === undefined ? `signal ${number}` : `SIG${name}`;
}

/** The counters of the interfaces in the container's network namespace: /proc/PID/net/dev, proc(5). */
import { readFileSync, readlinkSync } from 'node:fs';
import type { NetworkInterface } from './stats.js';

/** null when the container shares the host's network, whose counters are not its own, or has ended. */
export function readNetwork(pid: number): NetworkInterface[] | null {
  try {
    if (readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net')) return null;
    return parseInterfaces(readFileSync(`/proc/${pid}/net/dev`, 'utf8'));
  } catch {
    return null;
  }
}

/** Two lines of header, then "name: bytes packets errs drop fifo frame compressed multicast" and the same for sending. */
export function parseInterfaces(text: string): NetworkInterface[] {
  return text.split('\n').flatMap((line) => {
    const found = /^\s*(\S+?):\s*(\d[\d\s]*)$/.exec(line);
    if (found === null) return [];
    const numbers = (found[2] ?? '').trim().split(/\s+/).map(BigInt);
    const at = (index: number) => numbers[index] ?? 0n;
    return [
      {
        Name: found[1] ?? '',
        RxBytes: at(0),
        RxPackets: at(1),
        RxErrors: at(2),
        RxDropped: at(3),
        TxBytes: at(8),
        TxPackets: at(9),
        TxErrors: at(10),
        TxDropped: at(11),
      },
    ];
  });
}

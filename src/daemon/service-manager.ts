/** What systemd is told of the daemon: sd_notify(3), Type=notify-reload of systemd.service(5). */
import { addon } from '../native/addon.js';
import type { Log } from './log.js';

export interface ServiceManager {
  ready(): void;
  /** Followed by ready(). */
  reloading(): void;
  stopping(): void;
}

/** socket: NOTIFY_SOCKET; undefined where nobody wants to be told. */
export function serviceManager(socket: string | undefined, log: Pick<Log, 'warn'>): ServiceManager {
  const tell = (...lines: readonly string[]) => {
    if (socket === undefined) return;
    try {
      addon().sendDatagram(socket, `${lines.join('\n')}\n`);
    } catch (error) {
      log.warn(`the service manager cannot be told ${lines[0]}: ${String(error)}`);
    }
  };
  return {
    ready: () => tell('READY=1', `MAINPID=${process.pid}`),
    reloading: () => tell('RELOADING=1', `MONOTONIC_USEC=${monotonicMicroseconds()}`),
    stopping: () => tell('STOPPING=1'),
  };
}

/** CLOCK_MONOTONIC, which hrtime is too; of a daemon in a time namespace systemd has another one. */
function monotonicMicroseconds(): bigint {
  return process.hrtime.bigint() / 1000n;
}

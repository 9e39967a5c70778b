/**
 * A socket on the host for each published port. It keeps the port from others, and serves what no rule translates:
 * callers from a loopback address, IPv6 for a container that has none, everything where there is no nftables.
 */
import { listenTcp } from './tcp.js';
import { listenUdp } from './udp.js';

/** Where the container listens. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

/** target is asked for each connection: the container may get another address. undefined: refuse. */
export type TargetOf = () => Target | undefined;

export interface ListenRequest {
  readonly protocol: 'tcp' | 'udp';
  readonly hostIp: string;
  /** 0: one that the kernel chooses. */
  readonly port: number;
  readonly target: TargetOf;
}

/** Rejects with the error of bind(2). */
export function listen(request: ListenRequest): Promise<Listener> {
  return request.protocol === 'tcp' ? listenTcp(request) : listenUdp(request);
}

/** Ports of the host that containers are reached by: which are taken, and a socket for each (forward/listener.ts). */
import { NetworkError } from './errors.js';
import { type Listener, type ListenRequest, listen, type Target } from './forward/listener.js';
import type { Gate, PortRequest, Protocol, PublishedPort } from './types.js';

/** Where a container is reached, of each family. */
export interface ContainerAddresses {
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

interface Held extends PublishedPort {
  readonly owner: string;
  /** Unset for SCTP, which Node has no sockets for: nothing keeps such a port from other programs. */
  readonly listener: Listener | undefined;
}

const ANY = ['0.0.0.0', '::'] as const;
/** An ephemeral port that is free for one address may be taken for another. */
const EPHEMERAL_ATTEMPTS = 32;
const RANGE_MAX = 1000;
const EPHEMERAL = { first: 32768, last: 60999 } as const;

export class Ports {
  readonly #gate: Gate | undefined;
  readonly #held: Held[] = [];
  readonly #addresses = new Map<string, ContainerAddresses>();

  constructor(gate?: Gate) {
    this.#gate = gate;
  }

  /** All or nothing. defaultIps: where ports without an address go. Throws NETWORK_CONFLICT. */
  async publish(
    owner: string,
    requests: readonly PortRequest[],
    addresses: ContainerAddresses,
    defaultIps: readonly string[],
  ): Promise<PublishedPort[]> {
    this.retarget(owner, addresses);
    try {
      const rows: PublishedPort[] = [];
      for (const request of requests) rows.push(...(await this.#publishOne(owner, request, defaultIps)));
      return rows;
    } catch (error) {
      await this.release(owner);
      throw error;
    }
  }

  /** Takes ports again that records say a container has. Throws NETWORK_CONFLICT. */
  async restore(owner: string, rows: readonly PublishedPort[], addresses: ContainerAddresses): Promise<void> {
    this.retarget(owner, addresses);
    for (const row of rows) await this.#hold(owner, row, row.hostIp, row.hostPort);
  }

  retarget(owner: string, addresses: ContainerAddresses): void {
    this.#addresses.set(owner, addresses);
  }

  async release(owner: string): Promise<void> {
    this.#addresses.delete(owner);
    const gone = this.#held.filter((held) => held.owner === owner);
    for (const held of gone) this.#held.splice(this.#held.indexOf(held), 1);
    await Promise.all(gone.map(({ listener }) => listener?.close()));
  }

  async close(): Promise<void> {
    for (const owner of new Set(this.#held.map((held) => held.owner))) await this.release(owner);
  }

  async #publishOne(owner: string, request: PortRequest, defaultIps: readonly string[]): Promise<PublishedPort[]> {
    const ips = request.hostIp ? [request.hostIp] : defaultIps.length > 0 ? defaultIps : ANY;
    const { first, last } = request.hostPorts ?? { first: 0, last: 0 };
    const attempts = first === 0 ? EPHEMERAL_ATTEMPTS : Math.min(last - first + 1, RANGE_MAX);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#holdAll(
          owner,
          request,
          ips,
          first === 0 ? this.#ephemeral(request.protocol) : first + attempt,
        );
      } catch (error) {
        if (!(error instanceof NetworkError && error.code === 'NETWORK_CONFLICT') || attempt + 1 >= attempts)
          throw error;
      }
    }
  }

  /** 0 lets the kernel choose; of SCTP it chooses none. */
  #ephemeral(protocol: Protocol): number {
    if (protocol !== 'sctp') return 0;
    const taken = new Set(this.#held.filter((held) => held.protocol === 'sctp').map(({ hostPort }) => hostPort));
    for (let port = EPHEMERAL.first; port <= EPHEMERAL.last; port++) if (!taken.has(port)) return port;
    return EPHEMERAL.first;
  }

  /** The same port of every address. */
  async #holdAll(owner: string, request: PortRequest, ips: readonly string[], port: number): Promise<PublishedPort[]> {
    const held: Held[] = [];
    try {
      for (const ip of ips) held.push(await this.#hold(owner, request, ip, held[0]?.hostPort ?? port));
    } catch (error) {
      for (const one of held) {
        this.#held.splice(this.#held.indexOf(one), 1);
        await one.listener?.close();
      }
      throw error;
    }
    const { protocol, containerPort } = request;
    return held.map(({ hostIp, hostPort }) => ({ protocol, containerPort, hostIp, hostPort }));
  }

  async #hold(
    owner: string,
    { protocol, containerPort }: { readonly protocol: Protocol; readonly containerPort: number },
    hostIp: string,
    port: number,
  ): Promise<Held> {
    const target = (): Target | undefined => this.#target(owner, hostIp, containerPort);
    const taken = port !== 0 && this.#held.some((held) => clashes(held, protocol, hostIp, port));
    if (taken) throw allocated(hostIp, port);
    if (protocol === 'sctp' && this.#gate !== undefined) throw noSctp(hostIp, port);
    const listener =
      protocol === 'sctp'
        ? undefined
        : await this.#listen({ protocol, hostIp, port, target }).catch((error: unknown) => {
            throw bindError(error, protocol, hostIp, port);
          });
    const held = { owner, protocol, containerPort, hostIp, hostPort: listener?.port ?? port, listener };
    this.#held.push(held);
    return held;
  }

  #listen(request: ListenRequest): Promise<Listener> {
    return this.#gate?.open(request) ?? listen(request);
  }

  /** The same family if the container has it. */
  #target(owner: string, hostIp: string, port: number): Target | undefined {
    const { ipv4, ipv6 } = this.#addresses.get(owner) ?? { ipv4: undefined, ipv6: undefined };
    const address = hostIp.includes(':') ? (ipv6 ?? ipv4) : (ipv4 ?? ipv6);
    return address === undefined ? undefined : { address, port };
  }
}

function clashes(held: Held, protocol: Protocol, hostIp: string, port: number): boolean {
  const any = hostIp.includes(':') ? '::' : '0.0.0.0';
  const same =
    held.hostIp === hostIp ||
    held.hostIp === any ||
    (hostIp === any && held.hostIp.includes(':') === hostIp.includes(':'));
  return held.protocol === protocol && held.hostPort === port && same;
}

/** The words that users of dockerd know, and look for. */
function allocated(hostIp: string, port: number): NetworkError {
  const address = hostIp.includes(':') ? `[${hostIp}]` : hostIp;
  return new NetworkError('NETWORK_CONFLICT', `Bind for ${address}:${port} failed: port is already allocated`, {
    hint: 'docker ps shows which container has it',
  });
}

function noSctp(hostIp: string, port: number): NetworkError {
  return new NetworkError('NETWORK_INVALID', `failed to bind host port ${hostIp}:${port}/sctp: not without root`, {
    hint: 'a daemon of a user publishes tcp and udp; SCTP goes between containers of one network',
  });
}

function bindError(error: unknown, protocol: string, hostIp: string, port: number): NetworkError {
  if (error instanceof NetworkError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const where = `${hostIp.includes(':') ? `[${hostIp}]` : hostIp}:${port}/${protocol}`;
  if (code === 'EADDRINUSE')
    return new NetworkError('NETWORK_CONFLICT', `failed to bind host port ${where}: address already in use`, {
      cause: error,
      hint: `a program of the host has it: ss -ln${protocol === 'udp' ? 'u' : 't'}p 'sport = :${port}'`,
    });
  if (code === 'EADDRNOTAVAIL')
    return new NetworkError('NETWORK_INVALID', `failed to bind host port ${where}: cannot assign requested address`, {
      cause: error,
      hint: 'no link of the host has this address',
    });
  if (code === 'EACCES')
    return new NetworkError('NETWORK_FORBIDDEN', `failed to bind host port ${where}: permission denied`, {
      cause: error,
      hint: "ports below the host's net.ipv4.ip_unprivileged_port_start are root's: publish a higher one",
    });
  return new NetworkError('NETWORK_FAILED', `failed to bind host port ${where}: ${String(error)}`, { cause: error });
}

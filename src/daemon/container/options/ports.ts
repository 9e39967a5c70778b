/** Ports as the API writes them: "80/tcp", "8000-8010", "". Pure. */
import { isIP } from 'node:net';
import type { HostConfig } from '../../api/types.gen.js';
import { refuse } from './refuse.js';

const PROTOCOLS = ['tcp', 'udp', 'sctp'];
const MOST = 65535;

/** Both ends of "80" or "80-90". */
export function portRange(text: string): readonly [first: number, last: number] | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first <= last && last <= MOST ? [first, last] : undefined;
}

/** "80", "80/tcp", and of EXPOSE also ranges. */
export function checkPort(port: string): void {
  const [numbers = '', protocol = 'tcp', ...more] = port.split('/');
  const range = portRange(numbers);
  if (range === undefined || range[0] === 0 || more.length > 0) throw refuse(`invalid port specification: "${port}"`);
  if (!PROTOCOLS.includes(protocol.toLowerCase()))
    throw refuse(`invalid port specification: "${port}": invalid proto '${protocol}': want ${PROTOCOLS.join(', ')}`);
}

export function checkPortBindings(bindings: NonNullable<HostConfig['PortBindings']>): void {
  for (const [port, hosts] of Object.entries(bindings)) {
    checkPort(port);
    for (const { HostPort = '', HostIp = '' } of hosts) {
      if (HostPort !== '' && portRange(HostPort) === undefined)
        throw refuse(`invalid port specification: "${HostPort}": HostPort of ${port} is no port and no range`);
      if (HostIp !== '' && isIP(HostIp.replace(/^\[(.*)\]$/, '$1')) === 0)
        throw refuse(`invalid IP address: ${HostIp}: HostIp of ${port}`);
    }
  }
}

/** Routing of the host, which containers need to get out: turned on where it is off, and what else it would open kept shut. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listLinks } from './netlink/link.js';
import type { Netlink } from './netlink/socket.js';
import { readSysctl, writeSysctl } from './sysctl.js';

const IPV4 = 'net/ipv4/ip_forward';
const IPV6 = 'net/ipv6/conf/all/forwarding';

/**
 * True where forwarding was off before some daemon of this run directory turned it on: what is not ours must then not be
 * routed either. The note of it lies in the run directory, which goes at a reboot as the setting does.
 */
export function enableForwarding(netlink: Netlink, runDirectory: string, ipv6: boolean): boolean {
  const note = join(runDirectory, 'forwarding-was-off');
  const off = [IPV4, ...(ipv6 ? [IPV6] : [])].filter((path) => readSysctl(netlink.netns, path) === '0');
  if (off.length > 0 && !existsSync(note)) {
    mkdirSync(dirname(note), { recursive: true });
    writeFileSync(note, `${off.map((path) => path.replaceAll('/', '.')).join('\n')}\n`);
  }
  if (off.includes(IPV6)) keepRouterAdvertisements(netlink);
  for (const path of off) writeSysctl(netlink.netns, path, '1');
  return existsSync(note);
}

/** A host that forwards IPv6 no longer heeds router advertisements, and so loses its own way out, unless told otherwise. */
function keepRouterAdvertisements(netlink: Netlink): void {
  for (const { name, kind } of listLinks(netlink)) {
    const path = `net/ipv6/conf/${name}/accept_ra`;
    if (kind === undefined && name !== 'lo' && readSysctl(netlink.netns, path) === '1')
      writeSysctl(netlink.netns, path, '2');
  }
}

/** Links by rtnetlink(7): bridges, veth pairs, macvlan, ipvlan. Names and flags from linux/if_link.h. */
import {
  type Attribute,
  decodeAttributes,
  encodeAttributes,
  FLAG,
  type Message,
  nested,
  readText,
  readU32,
  text,
  u8,
  u16,
  u32,
} from './message.js';
import { type Netlink, NetlinkError } from './socket.js';

const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18, SETLINK: 19 } as const;
const IFLA = {
  ...{ ADDRESS: 1, IFNAME: 3, MTU: 4, LINK: 5, MASTER: 10, PROTINFO: 12, LINKINFO: 18, IFALIAS: 20, NET_NS_FD: 28 },
} as const;
const INFO = { KIND: 1, DATA: 2 } as const;
const VETH_INFO_PEER = 1;
const BRPORT = { MODE: 4, ISOLATED: 33 } as const;
const MACVLAN_MODE = 1;
const IPVLAN = { MODE: 1, FLAGS: 2 } as const;
const AF_BRIDGE = 7;
const IFF_UP = 1;
const IFINFOMSG = 16;
const ENODEV = 19;

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  /** "bridge", "veth"; unset for hardware. */
  readonly kind: string | undefined;
  readonly mac: string | undefined;
  readonly mtu: number;
  readonly alias: string | undefined;
  readonly master: number | undefined;
}

export interface NewLink {
  readonly name: string;
  readonly mac?: string | undefined;
  readonly mtu?: number | undefined;
  readonly alias?: string | undefined;
  /** Index of the bridge. */
  readonly master?: number | undefined;
  /** Descriptor of the namespace it comes up in. */
  readonly netns?: number | undefined;
  /** Index of the link it stands on. */
  readonly parent?: number | undefined;
}

/** kind macvlan: private 1, vepa 2, bridge 4, passthru 8. ipvlan: l2 0, l3 1, l3s 2; flags: bridge 0, private 1, vepa 2. */
export type LinkKind =
  | { readonly kind: 'bridge' }
  | { readonly kind: 'veth'; readonly peer: NewLink }
  | { readonly kind: 'macvlan'; readonly mode: number }
  | { readonly kind: 'ipvlan'; readonly mode: number; readonly flags: number };

function ifinfomsg({ index = 0, up = false, family = 0 } = {}): Buffer {
  const bytes = Buffer.alloc(IFINFOMSG);
  bytes.writeUInt8(family, 0);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(up ? IFF_UP : 0, 8);
  bytes.writeUInt32LE(up ? IFF_UP : 0, 12);
  return bytes;
}

export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

function attributesOf(link: Partial<NewLink>): Attribute[] {
  return [
    ...(link.name === undefined ? [] : [text(IFLA.IFNAME, link.name)]),
    ...(link.mac === undefined ? [] : [{ type: IFLA.ADDRESS, value: macBytes(link.mac) }]),
    ...(link.mtu === undefined ? [] : [u32(IFLA.MTU, link.mtu)]),
    ...(link.parent === undefined ? [] : [u32(IFLA.LINK, link.parent)]),
    ...(link.master === undefined ? [] : [u32(IFLA.MASTER, link.master)]),
    ...(link.netns === undefined ? [] : [u32(IFLA.NET_NS_FD, link.netns)]),
  ];
}

function dataOf(kind: LinkKind): Attribute[] {
  switch (kind.kind) {
    case 'bridge':
      return [];
    case 'veth':
      return [{ type: VETH_INFO_PEER, value: Buffer.concat([ifinfomsg(), encodeAttributes(attributesOf(kind.peer))]) }];
    case 'macvlan':
      return [u32(MACVLAN_MODE, kind.mode)];
    case 'ipvlan':
      return [u16(IPVLAN.MODE, kind.mode), u16(IPVLAN.FLAGS, kind.flags)];
  }
}

export function createLink(netlink: Netlink, kind: LinkKind, link: NewLink): void {
  const info = nested(IFLA.LINKINFO, text(INFO.KIND, kind.kind), nested(INFO.DATA, ...dataOf(kind)));
  netlink.change(`create the ${kind.kind} link ${link.name}`, RTM.NEWLINK, FLAG.CREATE | FLAG.EXCL, ifinfomsg(), [
    ...attributesOf(link),
    info,
  ]);
  // Linux takes no alias at creation.
  if (link.alias !== undefined) changeLink(netlink, link.name, { alias: link.alias });
}

export interface LinkChange extends Partial<NewLink> {
  readonly up?: boolean;
}

/** by: name, or index where the name changes. */
export function changeLink(netlink: Netlink, by: string | number, change: LinkChange): void {
  const index = typeof by === 'number' ? { index: by } : {};
  const name = typeof by === 'string' ? [text(IFLA.IFNAME, by)] : [];
  const alias = change.alias === undefined ? [] : [text(IFLA.IFALIAS, change.alias)];
  const body = ifinfomsg({ ...index, up: change.up === true });
  netlink.change(`change the link ${by}`, RTM.NEWLINK, 0, body, [...name, ...attributesOf(change), ...alias]);
}

/** hairpin: what comes in at the port may go out of it again. isolated: nothing goes to other isolated ports. */
export function changeBridgePort(
  netlink: Netlink,
  index: number,
  { hairpin, isolated }: { readonly hairpin: boolean; readonly isolated: boolean },
): void {
  const port = nested(IFLA.PROTINFO, u8(BRPORT.MODE, hairpin ? 1 : 0), u8(BRPORT.ISOLATED, isolated ? 1 : 0));
  netlink.change(`change the bridge port ${index}`, RTM.SETLINK, 0, ifinfomsg({ index, family: AF_BRIDGE }), [port]);
}

/** Nothing happens if there is none. Deleting one end of a veth pair deletes the other. */
export function deleteLink(netlink: Netlink, name: string): void {
  try {
    netlink.change(`delete the link ${name}`, RTM.DELLINK, 0, ifinfomsg(), [text(IFLA.IFNAME, name)]);
  } catch (error) {
    if (!(error instanceof NetlinkError && error.errno === ENODEV)) throw error;
  }
}

export function findLink(netlink: Netlink, name: string): Link | undefined {
  try {
    const found = netlink.get(`look for the link ${name}`, RTM.GETLINK, ifinfomsg(), [text(IFLA.IFNAME, name)]);
    return found && readLink(found);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === ENODEV) return undefined;
    throw error;
  }
}

export function listLinks(netlink: Netlink): Link[] {
  return netlink.dump('list the links', RTM.GETLINK, ifinfomsg()).map(readLink);
}

function readLink({ payload }: Message): Link {
  const attributes = decodeAttributes(payload.subarray(IFINFOMSG));
  const info = attributes.get(IFLA.LINKINFO);
  const mac = attributes.get(IFLA.ADDRESS);
  return {
    index: payload.readInt32LE(4),
    name: readText(attributes.get(IFLA.IFNAME)) ?? '',
    up: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    kind: info && readText(decodeAttributes(info).get(INFO.KIND)),
    mac: mac?.toString('hex').replace(/..(?=.)/g, '$&:'),
    mtu: readU32(attributes.get(IFLA.MTU)) ?? 0,
    alias: readText(attributes.get(IFLA.IFALIAS)),
    master: readU32(attributes.get(IFLA.MASTER)),
  };
}

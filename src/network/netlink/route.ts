/** Addresses and routes by rtnetlink(7), of both families. */
import {
  type Address,
  addressBytes,
  addressOfBytes,
  formatAddress,
  formatPrefix,
  type Prefix,
  parseAddress,
} from '../address.js';
import { type Attribute, decodeAttributes, FLAG, type Message, readU32, u32 } from './message.js';
import type { Netlink } from './socket.js';

const RTM = { NEWADDR: 20, GETADDR: 22, NEWROUTE: 24, DELROUTE: 25, GETROUTE: 26 } as const;
const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4 } as const;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5, TABLE: 15 } as const;
/** The container's address is ours to give: nobody else has it, and waiting for DAD would cost a second. */
const IFA_F_NODAD = 0x02;
const AF = { 4: 2, 6: 10 } as const;
const TABLE_MAIN = 254;
const PROTOCOL_STATIC = 4;
const UNICAST = 1;
const SCOPE_LINK = 253;
const IFADDRMSG = 8;
const RTMSG = 12;

function ifaddrmsg(family: number, prefixLength: number, index: number): Buffer {
  const bytes = Buffer.alloc(IFADDRMSG);
  bytes.writeUInt8(family, 0);
  bytes.writeUInt8(prefixLength, 1);
  bytes.writeUInt8(family === AF[6] ? IFA_F_NODAD : 0, 2);
  bytes.writeUInt32LE(index, 4);
  return bytes;
}

export function addAddress(netlink: Netlink, index: number, address: string, prefixLength: number): void {
  const parsed = parseAddress(address);
  const value = addressBytes(parsed);
  const broadcast = broadcastOf(parsed, prefixLength);
  netlink.change(
    `add the address ${address}/${prefixLength}`,
    RTM.NEWADDR,
    FLAG.CREATE | FLAG.REPLACE,
    ifaddrmsg(AF[parsed.family], prefixLength, index),
    [{ type: IFA.LOCAL, value }, { type: IFA.ADDRESS, value }, ...broadcast],
  );
}

function broadcastOf({ family, value }: Address, prefixLength: number): Attribute[] {
  if (family === 6 || prefixLength > 30) return [];
  const last = value | ((1n << BigInt(32 - prefixLength)) - 1n);
  return [{ type: IFA.BROADCAST, value: addressBytes({ family, value: last }) }];
}

export interface LinkAddress {
  readonly index: number;
  readonly address: string;
  readonly prefixLength: number;
}

export function listAddresses(netlink: Netlink): LinkAddress[] {
  return netlink.dump('list the addresses', RTM.GETADDR, ifaddrmsg(0, 0, 0)).flatMap(({ payload }) => {
    const attributes = decodeAttributes(payload.subarray(IFADDRMSG));
    const value = attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS);
    if (value === undefined) return [];
    const address = formatAddress(addressOfBytes(value));
    return [{ index: payload.readUInt32LE(4), address, prefixLength: payload.readUInt8(1) }];
  });
}

function rtmsg(family: number, { destination = 0, scope = 0 } = {}): Buffer {
  return Buffer.from([family, destination, 0, 0, TABLE_MAIN, PROTOCOL_STATIC, scope, UNICAST, 0, 0, 0, 0]);
}

/** gateway unset: everything is behind the link itself, as ipvlan's l3 mode has it. */
export function addDefaultRoute(netlink: Netlink, index: number, gateway: string | undefined, family: 4 | 6): void {
  const via = gateway === undefined ? [] : [{ type: RTA.GATEWAY, value: addressBytes(parseAddress(gateway)) }];
  netlink.change(
    `add the default route by ${gateway ?? 'the link'}`,
    RTM.NEWROUTE,
    FLAG.CREATE | FLAG.REPLACE,
    rtmsg(AF[family], { scope: gateway === undefined && family === 4 ? SCOPE_LINK : 0 }),
    [...via, u32(RTA.OIF, index)],
  );
}

/** Beside the link's own: a gateway outside of its subnet is reached so. */
export function addLinkRoute(netlink: Netlink, index: number, { family, value, length }: Prefix): void {
  netlink.change(
    `add a route to ${formatPrefix({ family, value, length })}`,
    RTM.NEWROUTE,
    FLAG.CREATE | FLAG.REPLACE,
    rtmsg(AF[family], { destination: length, scope: family === 4 ? SCOPE_LINK : 0 }),
    [{ type: RTA.DST, value: addressBytes({ family, value }) }, u32(RTA.OIF, index)],
  );
}

export function deleteDefaultRoute(netlink: Netlink, family: 4 | 6): void {
  netlink.change('delete the default route', RTM.DELROUTE, 0, rtmsg(AF[family], { scope: 255 }));
}

export interface Route {
  /** undefined: the default route. */
  readonly destination: Prefix | undefined;
  readonly gateway: string | undefined;
  readonly index: number | undefined;
  readonly family: 4 | 6;
}

/** Of the main table, unicast. */
export function listRoutes(netlink: Netlink): Route[] {
  return [4, 6].flatMap((family) => {
    const body = Buffer.alloc(RTMSG);
    body.writeUInt8(AF[family === 4 ? 4 : 6], 0);
    return netlink.dump('list the routes', RTM.GETROUTE, body).flatMap(readRoute);
  });
}

function readRoute({ payload }: Message): Route[] {
  const attributes = decodeAttributes(payload.subarray(RTMSG));
  const table = readU32(attributes.get(RTA.TABLE)) ?? payload.readUInt8(4);
  if (table !== TABLE_MAIN || payload.readUInt8(7) !== UNICAST) return [];
  const destination = attributes.get(RTA.DST);
  const gateway = attributes.get(RTA.GATEWAY);
  const length = payload.readUInt8(1);
  return [
    {
      destination: destination && { ...addressOfBytes(destination), length },
      gateway: gateway && formatAddress(addressOfBytes(gateway)),
      index: readU32(attributes.get(RTA.OIF)),
      family: payload.readUInt8(0) === AF[6] ? 6 : 4,
    },
  ];
}

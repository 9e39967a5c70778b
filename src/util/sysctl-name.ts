/**
 * Names of kernel parameters, sysctl.d(5): the first of `.` and `/` in a name is its separator, the other one stands
 * for itself. So net.ipv4.conf.eth0/100.forwarding and net/ipv4/conf/eth0.100/forwarding are the same file.
 *
 * Pure.
 */

/** The path below /proc/sys: net/ipv4/ip_forward. */
export function sysctlPath(name: string): string {
  if (/^[^./]*\//.test(name)) return name;
  return name.replaceAll(/[./]/g, (sign) => (sign === '.' ? '/' : '.'));
}

/** The dotted form of the path, for messages and tables: net.ipv4.ip_forward. */
export function sysctlName(name: string): string {
  return sysctlPath(name).replaceAll(/[./]/g, (sign) => (sign === '.' ? '/' : '.'));
}

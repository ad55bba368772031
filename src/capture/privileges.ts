import { OperatorError, UserError } from '../base/errors.ts'
import { loadKoffi } from '../base/libc.ts'

// What started as root goes on as somebody else, with the one or two capabilities that opening a device again needs
// (capabilities(7), prctl(2), capset(2)).

/** linux/capability.h */
const CAPABILITY = { net_admin: 12, net_raw: 13 } as const
export type Capability = keyof typeof CAPABILITY

const PR_SET_KEEPCAPS = 8
const PR_CAPBSET_DROP = 24
const PR_SET_NO_NEW_PRIVS = 38
const LINUX_CAPABILITY_VERSION_3 = 0x20080522
/** More than there are: the kernel says where its last one is. */
const MOST_CAPABILITIES = 64

interface Calls {
  readonly prctl: (option: number, value: number, a: number, b: number, c: number) => number
  readonly capset: (header: number, data: number) => number
  readonly address: (buffer: ArrayBuffer) => number
}

export interface Account {
  readonly uid: number
  readonly gid: number
}

/**
 * Gives up root for good: this process, and all that it starts, is the user from now on, in no other groups.
 * Other threads that run already lose every capability; those that this one starts later have what it keeps.
 * @param user a name, as /etc/passwd or another source of names has it
 * @param keep what is needed to open devices again: `net_raw` for interfaces, `net_admin` for nflog
 * @returns who it is now
 * @throws UserError if there is no such user; OperatorError if this process may not become another
 */
export function dropPrivileges(user: string, keep: readonly Capability[] = ['net_raw']): Account {
  const koffi = loadKoffi('privileges', 'privileges can’t be dropped')
  const c = koffi.load(null)
  const calls: Calls = {
    prctl: c.func('int prctl(int, ulong, ulong, ulong, ulong)') as Calls['prctl'],
    capset: c.func('int capset(uintptr_t, uintptr_t)') as Calls['capset'],
    address: (buffer) => Number(koffi.address(buffer)),
  }
  // struct passwd: name ·8 password ·8 uid ·4 gid ·4 …
  const entry = (c.func('void *getpwnam(str)') as (name: string) => unknown)(user)
  if (entry === null) throw new UserError(`there is no user “${user}”`)
  const fields = new DataView(koffi.view(entry, 24))
  const account: Account = { uid: fields.getUint32(16, true), gid: fields.getUint32(20, true) }
  if (process.getuid?.() !== 0) {
    if (process.getuid?.() === account.uid) return account
    throw new OperatorError('privileges', `only what was started as root can go on as ${user}`)
  }
  if (account.uid === 0)
    throw new UserError(`${user} is root itself`, { hint: 'name a user without rights, such as nobody' })
  const kept = keep.map((name) => CAPABILITY[name])
  become(account, kept, calls)
  return account
}

function become({ uid, gid }: Account, kept: readonly number[], calls: Calls): void {
  const check = (result: number, what: string): void => {
    if (result !== 0) throw new OperatorError('privileges', `privileges can’t be dropped: ${what} failed`)
  }
  check(calls.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 'keeping capabilities')
  for (let capability = 0; capability < MOST_CAPABILITIES; capability++) {
    if (kept.includes(capability)) continue
    if (calls.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) !== 0) break
  }
  process.setgroups?.([gid])
  process.setgid?.(gid)
  process.setuid?.(uid)
  // header: version ·4 process ·4 (0: this one); data, for capabilities 0 to 31 and 32 to 63: effective ·4 permitted ·4 inheritable ·4
  const header = new Uint32Array([LINUX_CAPABILITY_VERSION_3, 0])
  const bits = kept.reduce((sum, capability) => sum | (1 << capability), 0) >>> 0
  const data = new Uint32Array([bits, bits, 0, 0, 0, 0])
  check(calls.capset(calls.address(header.buffer), calls.address(data.buffer)), 'setting capabilities')
  check(calls.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'renouncing new privileges')
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid)
    throw new OperatorError('privileges', 'privileges can’t be dropped: this is still another user')
}

import type { TargetStatus } from '../base/datagram-sender.ts'

// Targets that datagrams can't be sent to: said once when it begins, and once when it is over. That nobody listens at a target is
// not noticed: datagrams are not answered.

/** A target is reached again when so many looks in a row have found datagrams sent and none failed. */
const GOOD_LOOKS = 3

interface Watched {
  sent: number
  failed: number
  isAway: boolean
  good: number
}

/** Answers what is to be called every second or so. */
export function createTargetWatch(say: (sentence: string) => void): (targets: readonly TargetStatus[]) => void {
  const watched = new Map<string, Watched>()
  return (targets) => {
    for (const { host, port, sent, failed, error } of targets) {
      const name = `${host}:${port}`
      const before = watched.get(name)
      const now: Watched = before ?? { sent: 0, failed: 0, isAway: false, good: 0 }
      watched.set(name, now)
      if (failed > now.failed) {
        if (!now.isAway) say(`${name} can’t be reached (${error ?? 'unknown'}); what is sent there is lost meanwhile`)
        now.isAway = true
        now.good = 0
      } else if (now.isAway && sent > now.sent && ++now.good >= GOOD_LOOKS) {
        now.isAway = false
        say(`${name} is reached again`)
      }
      now.sent = sent
      now.failed = failed
    }
  }
}

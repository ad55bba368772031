import type { Command } from 'commander'
import { COMMANDS, createProgram } from '../../src/cli/main.ts'

const WIDTH = 100

/** docs/reference/commands.md: what `--help` prints. */
export async function commandsPage(): Promise<string> {
  const program = await createProgram([])
  const parts = [
    `# Commands

<!-- Made by \`npm run docs\` from src/cli/: change it there. -->

Exit status: 0 done, 1 failed, 2 wrong usage.

${help(program)}`,
  ]
  for (const { name } of COMMANDS) {
    const loaded = await createProgram([name])
    const command = loaded.commands.find((candidate) => candidate.name() === name)
    if (command) parts.push(`## vnetscope ${name}\n\n${help(command)}`)
  }
  return `${parts.join('\n')}`
}

function help(command: Command): string {
  command.configureHelp({ helpWidth: WIDTH })
  return `\`\`\`\n${command.helpInformation().trimEnd()}\n\`\`\`\n`
}

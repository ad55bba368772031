import { z } from 'zod'

// Filters and views that are kept by a name. Browser-safe: imports zod alone.

export const SavedFilter = z.object({
  name: z.string(),
  filter: z.string(),
  describe: z.string(),
  uses: z.array(z.string()).describe('names of the saved filters that it uses itself'),
  usedBy: z.array(z.string()).describe('names of the saved filters that use it themselves'),
  updatedAt: z.number().describe('milliseconds since 1970'),
})
export type SavedFilter = z.infer<typeof SavedFilter>

export const FiltersAnswer = z.object({ filters: z.array(SavedFilter) })
export type FiltersAnswer = z.infer<typeof FiltersAnswer>

export const FilterToSave = z.object({
  filter: z.string().max(200_000).describe('its text; may use others by @name'),
  describe: z.string().max(500).optional().describe('what it is for, in a few words'),
})
export type FilterToSave = z.infer<typeof FilterToSave>

export const SavedView = z.object({
  name: z.string(),
  url: z.string().describe('path and query of a page of the console'),
  updatedAt: z.number().describe('milliseconds since 1970'),
})
export type SavedView = z.infer<typeof SavedView>

export const ViewsAnswer = z.object({ views: z.array(SavedView) })
export type ViewsAnswer = z.infer<typeof ViewsAnswer>

export const ViewToSave = z.object({ url: z.string().max(8000).describe('path and query, such as /explore?by=src_vm') })
export type ViewToSave = z.infer<typeof ViewToSave>

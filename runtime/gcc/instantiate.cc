// A plugin for GCC that only the image's build uses: `#pragma executor instantiate` at the end of a header instantiates
// at once what GCC would put off to the end of the file that includes it.
//
// A precompiled header is written before the compiler gets to what it has put off. Inline functions of <format>,
// <chrono>, <future> and others use hundreds of templates, which every compilation would instantiate again, whether the
// program calls those functions or not: 350 ms of the 550 ms that an empty program took.
//
// It also keeps places in a source small enough to hold a range of columns by themselves. What does not fit becomes an entry
// of a table that every compilation builds anew: 544,000 entries for <bits/stdc++.h>, and 239,000 with this.
#include "gcc-plugin.h"
#include "plugin-version.h"

#include "c-family/c-pragma.h"
#include "cp/cp-tree.h"
#include "line-map.h"

int plugin_is_GPL_compatible;

static bool is_needed(tree type) {
  for (tree table = CLASSTYPE_VTABLES(type); table; table = DECL_CHAIN(table))
    if (decl_needed_p(table))
      return true;
  return false;
}

static void instantiate(cpp_reader *) {
  // As at the end of a file, where the compiler decides at once whether a function goes into the object file. Put off,
  // GCC 14 fails on the virtual destructors among them.
  at_eof = 1;
  hash_set<tree> done;
  bool more = true;
  while (more) {
    more = false;
    instantiate_pending_templates(0);
    // A constructor that has been instantiated needs its class's virtual functions, and they need others.
    for (unsigned i = 0; i < vec_safe_length(keyed_classes); i++) {
      tree type = (*keyed_classes)[i];
      if (!CLASSTYPE_TEMPLATE_INFO(type) || done.contains(type) || !is_needed(type))
        continue;
      done.add(type);
      more = true;
      for (tree member = TYPE_FIELDS(type); member; member = DECL_CHAIN(member))
        if (TREE_CODE(member) == FUNCTION_DECL && DECL_VIRTUAL_P(member) && !DECL_PURE_VIRTUAL_P(member))
          mark_used(member);
    }
  }
  at_eof = 0;
}

// Past this place ranges of half as many columns fit in, and lines take up half as many numbers. Past 0x50000000
// (LINE_MAP_MAX_LOCATION_WITH_PACKED_RANGES) none fits in, which is where <bits/stdc++.h> ended, and a program began.
static const location_t narrow_from = 0x10000000;
static const int narrow_bits = 4;

static void keep_places_small(void *, void *) {
  if (line_table->highest_location > narrow_from)
    line_table->default_range_bits = narrow_bits;
}

static void add_pragma(void *, void *) { c_register_pragma("executor", "instantiate", instantiate); }

int plugin_init(plugin_name_args *plugin, plugin_gcc_version *version) {
  if (!plugin_default_version_check(version, &gcc_version))
    return 1;
  register_callback(plugin->base_name, PLUGIN_PRAGMAS, add_pragma, nullptr);
  register_callback(plugin->base_name, PLUGIN_INCLUDE_FILE, keep_places_small, nullptr);
  return 0;
}

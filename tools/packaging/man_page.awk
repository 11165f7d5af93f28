# SPDX-License-Identifier: Apache-2.0
# A help text as sections of a manual page. Variables: part is "page" for a program's own help or
# "command" for a subcommand's (its options only).

function text(line) {
  gsub(/\\/, "\\e", line)
  gsub(/-/, "\\-", line)
  sub(/^[.']/, "\\\\\\&&", line)
  return line
}

function section(title) {
  print ".SH " title
  fresh = 1
}

# Text that came with line breaks of its own keeps them where it is indented.
function paragraph(line) {
  if (line == "") {
    gap = 1
    return
  }
  if (line ~ /^ / && !verbatim) print (fresh ? "" : ".PP\n") ".nf"
  else if (line ~ /^ / && gap) print ""
  else if (line !~ /^ / && verbatim) print ".fi\n.PP"
  else if (line !~ /^ / && gap) print ".PP"
  verbatim = line ~ /^ /
  gap = fresh = 0
  print text(line)
}

function end_verbatim() {
  if (verbatim) print ".fi"
  verbatim = gap = 0
}

function item(line, description) {
  sub(/^  /, "", line)
  description = ""
  if (match(line, /  +/)) {
    description = substr(line, RSTART + RLENGTH)
    line = substr(line, 1, RSTART - 1)
  }
  print ".TP\n.B " text(line)
  if (description != "") print text(description)
}

# Footers are paragraphs that may begin with a title and a colon.
function footer(line, title) {
  title = line
  sub(/:.*/, "", title)
  if (title == "Examples" || title == "Exit status" || title == "Environment") {
    end_verbatim()
    section(toupper(title))
    sub(/^[^:]*: */, "", line)
    if (line != "") paragraph(line)
    in_footer = 1
    return
  }
  if (!in_footer && line != "") {
    section("NOTES")
    in_footer = 1
  }
  if (in_footer) paragraph(line)
}

BEGIN { where = "description" }

where == "description" && /^Usage: / {
  end_verbatim()
  where = "usage"
  next
}
where == "description" {
  if (part == "page") {
    if (!described++) section("DESCRIPTION")
    paragraph($0)
  }
  next
}
/^(Options|Positionals):$/ {
  where = "items"
  if (part == "page") section(toupper(substr($0, 1, length($0) - 1)))
  next
}
/^Subcommands:$/ { where = "subcommands"; next }
where == "items" && /^  [^ ]/ { item($0); next }
where == "items" && /^ +[^ ]/ { sub(/^ +/, ""); print text($0); next }
where == "items" && /^$/ { where = "after"; next }
where == "subcommands" && /^  / { next }
where == "subcommands" && /^$/ { where = "after"; next }
where == "after" && part == "page" { footer($0) }
END { end_verbatim() }

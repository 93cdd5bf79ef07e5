// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Has one fault, on purpose: a run of checkpatch that says nothing of it has not
 * read it.
 */
const char *virtgpu_style_control(int which)
{
	return which ? "this line, and nothing else in this file, is far too long: a whole lot more" : "than a hundred columns";
}

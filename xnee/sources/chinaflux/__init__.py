"""Workbooks of ChinaFLUX and their conversions to CSV: sheets, headings, units, stamps, and the months made of them."""

"""What came out: measures, tables, plots, the study, the report, widgets for notebooks."""
